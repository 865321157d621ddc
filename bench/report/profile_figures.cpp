#include <bench/report/profile_figures.h>

#include <algorithm>
#include <map>

#include <bench/report/chart.h>
#include <bench/report/format.h>
#include <retention/base/op_profile.h>

namespace retentive::bench {
namespace {

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

}  // namespace

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

}  // namespace retentive::bench
