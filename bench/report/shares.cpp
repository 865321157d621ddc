#include <algorithm>
#include <cmath>
#include <limits>

#include <bench/report/axis.h>
#include <bench/report/chart.h>
#include <bench/report/format.h>
#include <bench/report/svg.h>

namespace retentive::bench {
namespace {

constexpr double kWidth = 720;

void draw_legend(Svg& svg, const std::vector<std::string>& order, double y) {
  double x = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const double width = 26 + 7.2 * static_cast<double>(order[i].size());
    if (x + width > kWidth) {
      x = 0;
      y += 20;
    }
    svg.rectangle(x, y - 10, 11, 11, "fill s" + std::to_string(i % 8), "");
    svg.text(x + 16, y, order[i], "tick");
    x += width;
  }
}

// Rows that the legend takes.
int legend_rows(const std::vector<std::string>& order) {
  double x = 0;
  int rows = 1;
  for (const auto& name : order) {
    const double width = 26 + 7.2 * static_cast<double>(name.size());
    if (x + width > kWidth) {
      x = 0;
      ++rows;
    }
    x += width;
  }
  return rows;
}

}  // namespace

std::string stacked_bars(const std::string& title, const std::vector<Bar>& bars,
                         const std::vector<std::string>& order) {
  constexpr double kLeft = 190, kRight = 78, kRow = 30;
  const double legend = 20.0 * legend_rows(order) + 12;
  Svg svg(kWidth, legend + kRow * static_cast<double>(bars.size()) + 8, title);
  draw_legend(svg, order, 14);
  double y = legend;
  for (const auto& bar : bars) {
    double sum = 0;
    for (const auto& part : bar.parts) sum += part.value;
    svg.text(kLeft - 8, y + 15, bar.label, "tick", "end");
    double x = kLeft;
    for (const auto& part : bar.parts) {
      const auto found = std::ranges::find(order, part.label);
      const auto colour = static_cast<int>(found - order.begin()) % 8;
      const double width = (kWidth - kLeft - kRight) * part.value / sum;
      svg.rectangle(x, y, width, kRow - 9, "fill s" + std::to_string(colour),
                    part.label + format(": %.3g ms, %.0f %%", part.value, 100 * part.value / sum));
      x += width;
    }
    svg.text(kWidth - kRight + 8, y + 15, bar.total, "tick");
    y += kRow;
  }
  return svg.finish();
}

std::string bars(const std::string& title, const std::vector<Amount>& amounts) {
  constexpr double kLetterWidth = 6.8, kRight = 78, kRow = 26;
  size_t letters = 0;
  double most = 0;
  for (const auto& amount : amounts) {
    letters = std::max(letters, amount.label.size());
    most = std::max(most, amount.value);
  }
  const double left = 16 + kLetterWidth * static_cast<double>(letters);
  Svg svg(kWidth, kRow * static_cast<double>(amounts.size()) + 8, title);
  double y = 4;
  for (const auto& amount : amounts) {
    const double width = (kWidth - left - kRight) * amount.value / most;
    svg.text(left - 8, y + 14, amount.label, "tick", "end");
    svg.rectangle(left, y, width, kRow - 7, "fill s" + std::to_string(amount.colour % 8), amount.label);
    svg.text(left + width + 8, y + 14, amount.text, "tick");
    y += kRow;
  }
  return svg.finish();
}

std::string roofline(const std::string& title, const std::vector<RooflinePoint>& points,
                     const std::vector<Ceiling>& ceilings, double read_gb_per_s) {
  constexpr double kHeight = 420, kLeft = 62, kRight = 30, kTop = 34, kBottom = 48;
  constexpr size_t kNamed = 8;
  double least_x = std::numeric_limits<double>::infinity(), most_x = 0, least_y = least_x, most_y = 0;
  for (const auto& point : points) {
    least_x = std::min(least_x, point.intensity);
    most_x = std::max(most_x, point.intensity);
    least_y = std::min(least_y, point.gmacs_per_s);
  }
  for (const auto& ceiling : ceilings) {
    most_y = std::max(most_y, ceiling.gmacs_per_s);
    if (read_gb_per_s > 0) most_x = std::max(most_x, ceiling.gmacs_per_s / read_gb_per_s);
  }
  const LogAxis x{.low = least_x / 1.5, .high = most_x * 1.6, .from = kLeft, .to = kWidth - kRight};
  const LogAxis y{.low = least_y / 1.5, .high = most_y * 1.5, .from = kHeight - kBottom, .to = kTop};
  Svg svg(kWidth, kHeight, title);
  for (const double tick : log_ticks(x.low, x.high)) {
    if (tick < x.low || tick > x.high) continue;
    svg.line(x.place(tick), kTop, x.place(tick), kHeight - kBottom, "grid");
    svg.text(x.place(tick), kHeight - kBottom + 17, tick_text(tick), "tick", "middle");
  }
  for (const double tick : log_ticks(y.low, y.high)) {
    if (tick < y.low || tick > y.high) continue;
    svg.line(kLeft, y.place(tick), kWidth - kRight, y.place(tick), "grid");
    svg.text(kLeft - 7, y.place(tick) + 4, tick_text(tick), "tick", "end");
  }
  svg.text((kLeft + kWidth - kRight) / 2, kHeight - 8, "GMAC per GB that must move", "axis", "middle");
  svg.text(kLeft - 48, kTop - 14, "GMAC/s", "axis");
  double highest = 0;
  for (const auto& ceiling : ceilings) {
    const double knee = read_gb_per_s > 0 ? std::max(x.low, ceiling.gmacs_per_s / read_gb_per_s) : x.low;
    svg.line(x.place(knee), y.place(ceiling.gmacs_per_s), kWidth - kRight, y.place(ceiling.gmacs_per_s), "roof");
    svg.text(kWidth - kRight, y.place(ceiling.gmacs_per_s) - 5, ceiling.label, "tick", "end");
    highest = std::max(highest, ceiling.gmacs_per_s);
  }
  if (read_gb_per_s > 0) {
    const double low = std::max(x.low, y.low / read_gb_per_s), high = std::min(x.high, highest / read_gb_per_s);
    svg.line(x.place(low), y.place(low * read_gb_per_s), x.place(high), y.place(high * read_gb_per_s), "roof");
  }
  std::vector<const RooflinePoint*> largest;
  for (const auto& point : points) largest.push_back(&point);
  std::ranges::stable_sort(largest, std::ranges::greater{}, [](const auto* point) { return point->share; });
  for (const auto* point : largest) {
    svg.circle(x.place(point->intensity), y.place(point->gmacs_per_s), 3 + 16 * std::sqrt(point->share),
               "bubble s" + std::to_string(point->colour % 8),
               point->label + format(": %.0f GMAC/s, %.0f %% of the time", point->gmacs_per_s, 100 * point->share));
  }
  std::vector<std::pair<double, double>> taken;  // by names, those of the ceilings among them
  for (const auto& ceiling : ceilings) taken.emplace_back(kWidth - 200, y.place(ceiling.gmacs_per_s) - 5);
  for (size_t i = 0; i < std::min(kNamed, largest.size()); ++i) {
    const double px = x.place(largest[i]->intensity), py = y.place(largest[i]->gmacs_per_s);
    const bool crowded = std::ranges::any_of(
        taken, [&](const auto& other) { return std::abs(other.first - px) < 230 && std::abs(other.second - py) < 17; });
    if (crowded) continue;
    taken.emplace_back(px, py);
    const bool left = px > kWidth - 220;
    svg.text(px + (left ? -1 : 1) * (6 + 16 * std::sqrt(largest[i]->share)), py + 4, largest[i]->label, "tick",
             left ? "end" : "start");
  }
  return svg.finish();
}

}  // namespace retentive::bench
