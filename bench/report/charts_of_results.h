#pragma once

#include <string>
#include <vector>

#include <bench/report/analysis.h>

namespace retentive::bench {

/// What a colour stands for, where a screen is too narrow to show the names beside the curves.
struct Key {
  std::string label;
  int colour = 0;
};

struct Figure {
  std::string title;
  std::string svg;
  std::string caption = {};
  std::vector<Key> keys = {};
};

/// Charts of the series of one task, one of each kind for every precision and batch: time, working memory, throughput,
/// state; and where cells were profiled, time by kind of operation and the roofline. Results with more batches than
/// sizes are drawn against the batch, one chart for every precision; a single size gives bars of times.
std::vector<Figure> figures_of(const Results& results, const std::vector<Series>& series);

}  // namespace retentive::bench
