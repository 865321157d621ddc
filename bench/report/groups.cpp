#include <bench/report/groups.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace retentive::bench {

double size_of(const Cell& cell) {
  return cell.height > 0 ? std::sqrt(static_cast<double>(cell.height * cell.width)) : static_cast<double>(cell.tokens);
}

std::string batch_text(const Cell& cell) { return cell.batch > 1 ? ", batch " + std::to_string(cell.batch) : ""; }

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

std::vector<Series> along_batches(const std::vector<Series>& series, bool name_sizes) {
  std::vector<Series> turned;
  for (const auto& one : series) {
    for (const auto* cell : one.cells) {
      const auto name = one.name + (name_sizes ? ", " + place_of(*cell) : "");
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

}  // namespace retentive::bench
