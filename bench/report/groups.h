#pragma once

#include <set>
#include <string>
#include <vector>

#include <bench/report/analysis.h>

namespace retentive::bench {

/// The side of images as large in pixels, or the tokens of text.
double size_of(const Cell& cell);
/// ", batch 8"; nothing for one.
std::string batch_text(const Cell& cell);

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

/// Precisions, and without `by_batch` batches, have charts of their own. They refer to `series`.
std::vector<Group> groups_of(const std::vector<Series>& series, bool by_batch);

/// The same cells as series of one size each, by ascending batch; `name_sizes` adds the size to their names.
std::vector<Series> along_batches(const std::vector<Series>& series, bool name_sizes);

/// How many values of a property there are among all cells.
template <class Property>
size_t distinct(const std::vector<Series>& series, Property property) {
  std::set<decltype(property(Cell()))> values;
  for (const auto& one : series) {
    for (const auto* cell : one.cells) values.insert(property(*cell));
  }
  return values.size();
}

}  // namespace retentive::bench
