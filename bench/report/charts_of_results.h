#pragma once

#include <string>
#include <vector>

#include <bench/report/analysis.h>

namespace retentive::bench {

struct Figure {
  std::string title;
  std::string svg;
  std::string caption = {};
};

/// Charts of the series of one task, one of each kind for every precision and batch: time, working memory, throughput,
/// state; and where cells were profiled, time by kind of operation and the roofline.
std::vector<Figure> figures_of(const Results& results, const std::vector<Series>& series);

}  // namespace retentive::bench
