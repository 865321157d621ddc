#pragma once

#include <optional>
#include <string>
#include <vector>

#include <bench/report/results.h>
#include <retention/base/export.h>

namespace retentive::bench {

/// Of the times of a cell that ran, in milliseconds.
struct Quartiles {
  double q1 = 0, median = 0, q3 = 0;
};
RETENTIVE_API Quartiles quartiles_of(const Cell& cell);
/// "224", "800x1344", "1024 tokens": the size of what a cell reads.
RETENTIVE_API std::string place_of(const Cell& cell);
/// Whether both read images of one size, or as many tokens of text.
bool same_input(const Cell& a, const Cell& b);
/// Images of a cell with images, tokens of any other, in a second; of a decoding step one token a sequence.
RETENTIVE_API double items_per_s(const Cell& cell);
/// "images" or "tokens".
RETENTIVE_API const char* items_of(const Cell& cell);
/// Peak memory beyond what was loaded, in MiB; 0 when either was not measured.
RETENTIVE_API double working_mb(const Cell& cell);
/// Multiply-accumulates a second, in 1e9, and as a share of the peak of the same results; 0 where either is unknown.
RETENTIVE_API double gmacs_per_s(const Cell& cell);
RETENTIVE_API double peak_share(const Results& results, const Cell& cell);
/// What a cell must read, as a share of the bandwidth of the same results; 0 where either is unknown.
RETENTIVE_API double bandwidth_share(const Results& results, const Cell& cell);

/// y = factor x^exponent, least squares in logarithms, with the 95 % interval of Student's t.
struct PowerLaw {
  double exponent = 0;
  double low = 0, high = 0;
  double factor = 0;
  int points = 0;
};

/// "1.01 (0.98 to 1.04)": the exponent and its interval.
RETENTIVE_API std::string exponent_text(const PowerLaw& law);

/// Throws InvalidArgument for fewer than three points, values that are not positive, or a single x.
RETENTIVE_API PowerLaw fit_power_law(const std::vector<double>& x, const std::vector<double>& y);

/// Cells that differ in tokens alone, by ascending tokens.
struct Series {
  std::string label;  ///< "vir_s chunkwise bf16": the model, and what else tells the series of these results apart
  std::string name;   ///< likewise among those of one precision and batch
  std::vector<const Cell*> cells;    ///< that ran
  std::vector<const Cell*> skipped;  ///< that did not
  const Cell& front() const { return cells.empty() ? *skipped.front() : *cells.front(); }
};
/// In the order in which they first appear. They refer to `results`.
RETENTIVE_API std::vector<Series> series_of(const Results& results, const std::string& task);

/// Exponents of a series; empty where fewer than three cells ran, or needed memory beyond what was loaded.
struct Scaling {
  std::optional<PowerLaw> time, memory;
};
RETENTIVE_API Scaling scaling_of(const Series& series);

/// Where the faster of two series becomes the slower: in tokens, between the cells around it on a log-log line.
struct Crossover {
  const Series* before;  ///< faster with fewer tokens
  const Series* after;
  double tokens = 0;
  double pixels = 0;  ///< likewise, the side of a square image; 0 for text
};
/// Of every pair of series of one precision and batch, at the sizes that both ran (equal sides, or equal tokens of
/// text; tokens are those of `before`). Sizes at which the middle halves of their times overlap, or the
/// medians are within 5 %, are no change of order; where it does change, they cross where the medians do first. Pairs
/// of which one is always the faster have none. They refer to `series`.
RETENTIVE_API std::vector<Crossover> crossovers(const std::vector<Series>& series);

/// How many times as fast as the baseline a series is, size by size.
struct SpeedUp {
  const Series* series;
  const Series* baseline;
  std::vector<std::pair<const Cell*, double>> ratios;  ///< cell of the series, time of the baseline / its time
};
/// Against the first series with mixer attention of the same runtime, precision and batch. They refer to `series`.
RETENTIVE_API std::vector<SpeedUp> speed_ups(const std::vector<Series>& series);

/// How many times as fast as another runtime a cell of ours is.
struct PeerRatio {
  const Cell* cell;
  const Cell* peer;
  double ratio;  ///< time of the peer / time of the cell
};
/// Every cell of ours beside the peers' cells of the same task, size and batch: of the same model, and of models that
/// only peers ran; of a peer's forms the fastest. They refer to `results`.
RETENTIVE_API std::vector<PeerRatio> peer_ratios(const Results& results);

}  // namespace retentive::bench
