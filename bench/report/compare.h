#pragma once

#include <string>

#include <bench/report/results.h>
#include <retention/base/export.h>

namespace retentive::bench {

/// What two results say of each other.
struct Comparison {
  std::string text;   ///< a table of all cells that both have, and what differs in their conditions
  bool loss = false;  ///< a cell is slower for certain, and by more than the threshold
};

/// Compares cells of the same task, model, form, precision, size and batch: ratio of the medians with its 95 %
/// bootstrap interval, and the Mann-Whitney test with Holm's correction over all cells. A difference is one with
/// p < 0.05 whose whole interval lies beyond the threshold: what a machine drifts by from run to run is none. Such an
/// interval with a larger p is "unclear", no loss: three runs a cell are too few for any p < 0.05. Throws DataError
/// when the two have no cell in common.
RETENTIVE_API Comparison compare_results(const Results& before, const Results& after, double threshold_percent);

}  // namespace retentive::bench
