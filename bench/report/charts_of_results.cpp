#include <bench/report/charts_of_results.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include <bench/report/chart.h>
#include <bench/report/format.h>
#include <bench/report/groups.h>
#include <bench/report/profile_figures.h>

namespace retentive::bench {
namespace {

using Value = std::function<Point(const Cell&)>;

Point plain(const Cell& cell, double y, const char* unit) {
  return {.x = size_of(cell),
          .y = y,
          .low = y,
          .high = y,
          .hint = cell.model + (cell.form.empty() ? "" : " " + cell.form) + ", " + place_of(cell) + batch_text(cell) +
                  format(": %.4g ", y) + unit};
}

Point time_of(const Cell& cell) {
  const auto quartiles = quartiles_of(cell);
  auto point = plain(cell, quartiles.median, "ms");
  point.low = quartiles.q1;
  point.high = quartiles.q3;
  return point;
}

Figure time_bars(const std::vector<Group>& groups) {
  std::vector<Amount> amounts;
  for (const auto& group : groups) {
    for (const auto& [series, colour] : group.series) {
      const double ms = quartiles_of(*series->cells.front()).median;
      amounts.push_back({.label = series->label, .text = format("%.4g ms", ms), .colour = colour, .value = ms});
    }
  }
  return {"Time", bars("Time", amounts)};
}

double at(const Series& series, double x) {
  const auto& cells = series.cells;
  for (size_t i = 1; i < cells.size(); ++i) {
    const double from = size_of(*cells[i - 1]), to = size_of(*cells[i]);
    if (x < from || x > to) continue;
    const double low = quartiles_of(*cells[i - 1]).median, high = quartiles_of(*cells[i]).median;
    return low * std::pow(high / low, std::log(x / from) / std::log(to / from));
  }
  return 0;
}

LogChart chart(const Group& group, const std::string& what, const std::string& y_title, const Value& value) {
  const bool images = group.series.front().series->front().height > 0;
  LogChart result{.title = what + ", " + group.name,
                  .x_title = group.by_batch ? "batch"
                             : images       ? "side of the image, pixels"
                                            : "tokens",
                  .y_title = y_title,
                  .x_ticks = {},
                  .curves = {}};
  std::set<double> ticks;
  for (const auto& [series, colour] : group.series) {
    Curve curve{.label = series->name, .colour = colour, .points = {}};
    for (const auto* cell : series->cells) {
      auto point = value(*cell);
      if (group.by_batch) point.x = static_cast<double>(cell->batch);
      if (!(point.y > 0)) continue;
      ticks.insert(point.x);
      curve.points.push_back(std::move(point));
    }
    if (!curve.points.empty()) result.curves.push_back(std::move(curve));
  }
  result.x_ticks.assign(ticks.begin(), ticks.end());
  return result;
}

void mark_crossovers(const std::vector<Series>& all, const Group& group, LogChart& chart) {
  if (group.by_batch) return;
  for (const auto& crossing : crossovers(all)) {
    const auto here = [&](const Series* series) {
      return std::ranges::any_of(group.series, [&](const Coloured& one) { return one.series == series; });
    };
    if (!here(crossing.before) || !here(crossing.after)) continue;
    const double x = crossing.pixels > 0 ? crossing.pixels : crossing.tokens;
    const double y = at(*crossing.before, x);
    if (y > 0) chart.marks.push_back({x, y, crossing.after->label + " overtakes " + crossing.before->label});
  }
}

}  // namespace

std::vector<Figure> figures_of(const Results& results, const std::vector<Series>& series) {
  constexpr size_t kLeastForLine = 3;
  const auto sizes = distinct(series, size_of);
  const auto batches = distinct(series, [](const Cell& cell) { return cell.batch; });
  const bool by_batch = batches > sizes && batches >= kLeastForLine;
  const auto turned = by_batch ? along_batches(series, sizes > 1) : std::vector<Series>();
  const auto groups = groups_of(by_batch ? turned : series, by_batch);
  std::vector<Figure> figures;
  if (sizes == 1 && !by_batch && series.size() > 1) figures.push_back(time_bars(groups));
  for (const auto& group : groups) {
    const auto add = [&](const LogChart& chart, const std::string& caption = "") {
      if (chart.x_ticks.size() < 2) return;
      std::vector<Key> keys;
      for (const auto& curve : chart.curves) keys.push_back({curve.label, curve.colour});
      figures.push_back({chart.title, chart.svg(), caption, keys});
    };
    auto times = chart(group, "Time", "ms", time_of);
    mark_crossovers(series, group, times);
    add(times);
    add(chart(group, "Throughput", std::string(items_of(group.series.front().series->front())) + "/s",
              [](const Cell& cell) { return plain(cell, items_per_s(cell), "a second"); }));
    add(chart(group, "Working memory", "MB", [](const Cell& cell) { return plain(cell, working_mb(cell), "MB"); }),
        "The peak of the process beyond libraries, weights and input.");
    add(chart(group, "State", "MB", [](const Cell& cell) { return plain(cell, cell.state_mb, "MB"); }),
        "What must be kept to go on: the retention state, or keys and values of all tokens.");
    for (auto& figure : {breakdown(group), roofline_of(results, group)}) {
      if (!figure.svg.empty()) figures.push_back(figure);
    }
  }
  return figures;
}

}  // namespace retentive::bench
