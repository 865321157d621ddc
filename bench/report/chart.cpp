#include <bench/report/chart.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <bench/report/axis.h>
#include <bench/report/format.h>
#include <bench/report/svg.h>

namespace retentive::bench {
namespace {

constexpr double kWidth = 720, kHeight = 420, kLeft = 62, kTop = 34, kBottom = 48;
constexpr double kLabelHeight = 15;
constexpr double kLetterWidth = 7.6;  // of a curve's name, at most
constexpr double kTickDistance = 34;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

LogAxis axis(const Range& range, double margin, double from, double to) {
  return {.low = range.low / margin, .high = range.high * margin, .from = from, .to = to};
}

void draw_x_axis(Svg& svg, const LogAxis& x, const std::vector<double>& ticks, const std::string& title) {
  double last = -1e9;
  for (const double tick : ticks) {
    const double place = x.place(tick);
    svg.line(place, kTop, place, kHeight - kBottom, "grid");
    if (place - last < kTickDistance) continue;
    svg.text(place, kHeight - kBottom + 17, tick_text(tick), "tick", "middle");
    last = place;
  }
  svg.text((x.from + x.to) / 2, kHeight - 8, title, "axis", "middle");
}

void draw_y_axis(Svg& svg, const LogAxis& x, const LogAxis& y, const std::string& title) {
  for (const double tick : log_ticks(y.low, y.high)) {
    if (tick < y.low || tick > y.high) continue;
    svg.line(x.from, y.place(tick), x.to, y.place(tick), "grid");
    svg.text(kLeft - 7, y.place(tick) + 4, tick_text(tick), "tick", "end");
  }
  svg.text(kLeft - 48, kTop - 14, title, "axis");
}

// Where the names of curves stand: near the curves' ends, no two on one another.
std::vector<double> label_places(std::vector<double> wanted) {
  std::vector<size_t> order(wanted.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](size_t i) { return wanted[i]; });
  const double bottom = kHeight - kBottom;
  double least = kTop;
  for (const size_t i : order) {
    wanted[i] = std::max(wanted[i], least);
    least = wanted[i] + kLabelHeight;
  }
  double most = bottom;
  for (auto i = order.rbegin(); i != order.rend(); ++i) {
    wanted[*i] = std::min(wanted[*i], most);
    most = wanted[*i] - kLabelHeight;
  }
  return wanted;
}

void draw_curve(Svg& svg, const Curve& curve, const LogAxis& x, const LogAxis& y) {
  const auto style = "s" + std::to_string(curve.colour % 8);
  std::vector<std::pair<double, double>> line;
  for (const auto& point : curve.points) line.emplace_back(x.place(point.x), y.place(point.y));
  svg.polyline(line, "curve " + style + (curve.colour % 2 == 1 ? " dashed" : ""));
  for (const auto& point : curve.points) {
    const double place = x.place(point.x);
    if (point.high > point.low) svg.line(place, y.place(point.low), place, y.place(point.high), "spread " + style);
    svg.marker(place, y.place(point.y), curve.colour, point.hint);
  }
}

}  // namespace

std::string tick_text(double value) {
  if (value >= 10'000) return format("%.3gk", value / 1000);
  return format("%g", value);
}

std::vector<double> log_ticks(double low, double high) {
  const double decades = std::log10(high / low);
  std::vector<double> steps{1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9};
  if (decades > 0.7) steps = {1, 2, 5};
  if (decades > 3) steps = {1};
  std::vector<double> ticks;
  for (int decade = static_cast<int>(std::floor(std::log10(low))); std::pow(10.0, decade) <= high; ++decade) {
    for (const double step : steps) {
      const double tick = step * std::pow(10.0, decade);
      if (tick * 10 < low * 5 || tick > high * 2) continue;
      ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string LogChart::svg() const {
  Range xs, ys;
  for (const auto& curve : curves) {
    for (const auto& point : curve.points) {
      xs.add(point.x);
      ys.add(point.low);
      ys.add(point.high);
    }
  }
  size_t letters = 0;
  for (const auto& curve : curves) letters = std::max(letters, curve.label.size());
  const double right = kWidth - 24 - kLetterWidth * static_cast<double>(letters);
  const auto x = axis(xs, 1.06, kLeft, right);
  const auto y = axis(ys, 1.25, kHeight - kBottom, kTop);
  Svg svg(kWidth, kHeight, title);
  draw_x_axis(svg, x, x_ticks, x_title);
  draw_y_axis(svg, x, y, y_title);
  std::vector<double> ends;
  for (const auto& curve : curves) {
    draw_curve(svg, curve, x, y);
    ends.push_back(y.place(curve.points.back().y) + 4);
  }
  for (const auto& mark : marks) svg.circle(x.place(mark.x), y.place(mark.y), 9, "mark", mark.hint);
  const auto places = label_places(ends);
  for (size_t i = 0; i < curves.size(); ++i) {
    const double end = x.place(curves[i].points.back().x);
    const auto style = "s" + std::to_string(curves[i].colour % 8);
    svg.line(end + 6, ends[i] - 4, right + 10, places[i] - 4, "leader " + style);
    svg.text(right + 13, places[i], curves[i].label, "label " + style);
  }
  return svg.finish();
}

}  // namespace retentive::bench
