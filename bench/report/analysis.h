#pragma once

#include <optional>
#include <string>
#include <vector>

#include <bench/report/results.h>
#include <retention/base/export.h>

namespace retentive::bench {

/// y = c x^exponent, least squares in logarithms, with the 95 % interval of Student's t.
struct PowerLaw {
  double exponent = 0;
  double low = 0, high = 0;
  double factor = 0;  ///< c
  int points = 0;
};

/// Throws InvalidArgument for fewer than three points or values that are not positive.
RETENTIVE_API PowerLaw fit_power_law(const std::vector<double>& x, const std::vector<double>& y);

/// Cells that differ in tokens alone, by ascending tokens.
struct Series {
  std::string label;  ///< "vir_s chunkwise bf16"; only what tells the series of these results apart, model always
  std::vector<const Cell*> cells;  ///< that ran
  std::vector<const Cell*> skipped;
};
/// In the order in which they first appear. They refer to `results`.
RETENTIVE_API std::vector<Series> series_of(const Results& results, const std::string& task);

/// Milliseconds at the median of a cell.
RETENTIVE_API double median_ms(const Cell& cell);
/// Peak memory beyond what was loaded, in MiB.
RETENTIVE_API double working_mb(const Cell& cell);

/// Exponents of a series; empty where fewer than three cells ran (or needed memory beyond what was loaded).
struct Scaling {
  std::optional<PowerLaw> time, memory;
};
RETENTIVE_API Scaling scaling_of(const Series& series);

/// Where the faster of two series becomes the slower: in tokens, between the cells around it on a log-log line.
struct Crossover {
  std::string before;  ///< label of the series that is faster with fewer tokens
  std::string after;
  double tokens = 0;
};
/// Of every pair of series of one task, precision and batch, at the sizes both ran. Pairs of which one is always the
/// faster have none.
RETENTIVE_API std::vector<Crossover> crossovers(const std::vector<Series>& series);

}  // namespace retentive::bench
