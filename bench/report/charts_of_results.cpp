#include <bench/report/charts_of_results.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include <bench/report/chart.h>
#include <bench/report/format.h>
#include <retention/base/op_profile.h>

namespace retentive::bench {
namespace {

using Value = std::function<Point(const Cell&)>;

double size_of(const Cell& cell) {
  return cell.height > 0 ? std::sqrt(static_cast<double>(cell.height * cell.width)) : static_cast<double>(cell.tokens);
}

std::string place_of(const Cell& cell) {
  return cell.height > 0 ? size_text(cell.height, cell.width) : std::to_string(cell.tokens) + " tokens";
}

std::string batch_text(const Cell& cell) { return cell.batch > 1 ? ", batch " + std::to_string(cell.batch) : ""; }

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

/// A series and its colour, which is the same in every chart of a task.
struct Coloured {
  const Series* series;
  int colour;
};

/// Series that share charts.
struct Group {
  std::string name;
  std::vector<Coloured> series;
  bool by_batch = false;
};

// Precisions and batches have charts of their own.
std::vector<Group> groups_of(const std::vector<Series>& series, bool by_batch) {
  std::map<std::string, Group> groups;
  std::vector<std::string> seen;
  for (const auto& one : series) {
    if (one.cells.empty()) continue;
    auto found = std::ranges::find(seen, one.name);
    if (found == seen.end()) found = seen.insert(seen.end(), one.name);
    const auto name = one.front().precision + (by_batch ? "" : batch_text(one.front()));
    auto& group = groups[name];
    group.name = name;
    group.by_batch = by_batch;
    group.series.push_back({&one, static_cast<int>(found - seen.begin())});
  }
  std::vector<Group> list;
  for (auto& [name, group] : groups) list.push_back(std::move(group));
  return list;
}

bool more_batches_than_sizes(const std::vector<Series>& series) {
  std::set<int64_t> batches;
  std::set<double> sizes;
  for (const auto& one : series) {
    for (const auto* cell : one.cells) {
      batches.insert(cell->batch);
      sizes.insert(size_of(*cell));
    }
  }
  return batches.size() > sizes.size();
}

// The same cells as series of one size each, by ascending batch.
std::vector<Series> along_batches(const std::vector<Series>& series) {
  std::vector<Series> turned;
  for (const auto& one : series) {
    for (const auto* cell : one.cells) {
      const auto name = one.name + ", " + place_of(*cell);
      auto found = std::ranges::find_if(turned, [&](const Series& known) {
        return known.name == name && known.front().precision == cell->precision;
      });
      if (found == turned.end()) {
        found = turned.insert(turned.end(), {.label = name, .name = name, .cells = {}, .skipped = {}});
      }
      found->cells.push_back(cell);
    }
  }
  for (auto& one : turned) std::ranges::stable_sort(one.cells, {}, &Cell::batch);
  return turned;
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

// "linear", "masa", "retention chunkwise": what an operation is, without its shape.
std::string kind_of(const std::string& name) {
  std::string kind;
  size_t begin = 0;
  while (begin < name.size()) {
    const auto end = std::min(name.find(' ', begin), name.size());
    const auto word = name.substr(begin, end - begin);
    if (word.find_first_of("0123456789>") != std::string::npos) break;
    kind += (kind.empty() ? "" : " ") + word;
    begin = end + 1;
  }
  return kind.empty() ? name : kind;
}

std::vector<OperationCost> operations_of(const Cell& cell) {
  auto operations = cell.operations;
  std::erase_if(operations, [](const OperationCost& operation) { return operation.name.starts_with(kStagePrefix); });
  return operations;
}

Figure breakdown(const Group& group) {
  constexpr size_t kShown = 7;
  std::map<std::string, double> totals;
  std::vector<std::pair<const Cell*, std::map<std::string, double>>> cells;
  for (const auto& one : group.series) {
    for (const auto* cell : {one.series->cells.front(), one.series->cells.back()}) {
      if (cell->operations.empty() || (!cells.empty() && cells.back().first == cell)) continue;
      auto& kinds = cells.emplace_back(cell, std::map<std::string, double>()).second;
      double sum = 0;
      for (const auto& operation : operations_of(*cell)) {
        kinds[kind_of(operation.name)] += operation.milliseconds;
        sum += operation.milliseconds;
      }
      kinds["between operations"] = std::max(0.0, quartiles_of(*cell).median - sum);
      for (const auto& [kind, ms] : kinds) {
        totals[kind] = std::max(totals[kind], ms / quartiles_of(*cell).median);
      }
    }
  }
  if (cells.empty()) return {};
  std::vector<std::string> order;
  for (const auto& [kind, total] : totals) order.push_back(kind);
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](const std::string& kind) { return totals[kind]; });
  if (order.size() > kShown) order.resize(kShown);
  order.push_back("other");
  std::vector<Bar> bars;
  for (const auto& [cell, kinds] : cells) {
    Bar bar{.label = cell->model + (cell->form.empty() ? "" : " " + cell->form) + " " + place_of(*cell) +
                     (group.by_batch ? batch_text(*cell) : ""),
            .total = format("%.4g ms", quartiles_of(*cell).median),
            .parts = {}};
    double other = 0;
    for (const auto& [kind, ms] : kinds) {
      if (std::ranges::find(order, kind) == order.end()) other += ms;
    }
    for (const auto& kind : order) {
      const auto found = kinds.find(kind);
      if (found != kinds.end()) bar.parts.push_back({kind, found->second});
    }
    if (other > 0) bar.parts.push_back({"other", other});
    bars.push_back(std::move(bar));
  }
  const auto title = "Where the time goes, " + group.name;
  return {title, stacked_bars(title, bars, order),
          group.by_batch ? "At the smallest and the largest batch of each."
                         : "At the smallest and the largest size of each."};
}

Figure roofline_of(const Results& results, const Group& group) {
  constexpr double kLeastShare = 0.005;
  std::vector<RooflinePoint> points;
  for (const auto& [series, colour] : group.series) {
    const auto& cell = *series->cells.back();
    const double total = quartiles_of(cell).median;
    for (const auto& operation : operations_of(cell)) {
      const double share = operation.milliseconds / total;
      if (operation.gmacs <= 0 || operation.gigabytes <= 0 || share < kLeastShare) continue;
      points.push_back({.label = cell.model + " " + operation.name,
                        .colour = colour,
                        .intensity = operation.gmacs / operation.gigabytes,
                        .gmacs_per_s = 1e3 * operation.gmacs / operation.milliseconds,
                        .share = share});
    }
  }
  std::vector<Ceiling> ceilings;
  const auto& precision = group.series.front().series->front().precision;
  for (const auto& [type, peak] : results.peak_gmacs_per_s) {
    if (type == precision) ceilings.push_back({"products in " + type + format(": %.0f GMAC/s", peak), peak});
  }
  if (points.empty() || ceilings.empty()) return {};
  const auto title = "Roofline, " + group.name;
  return {
      title, roofline(title, points, ceilings, results.read_gb_per_s),
      "At the largest size of each: every circle is an operation, as large as its share of the time. The lines are "
      "what this machine reached in the same run: a packed product of 1024 x 1024 x 1024, and memory bandwidth times "
      "intensity. Data that stays in caches lifts operations above the slanted line."};
}

}  // namespace

std::vector<Figure> figures_of(const Results& results, const std::vector<Series>& series) {
  const bool by_batch = more_batches_than_sizes(series);
  const auto turned = by_batch ? along_batches(series) : std::vector<Series>();
  std::vector<Figure> figures;
  for (const auto& group : groups_of(by_batch ? turned : series, by_batch)) {
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
