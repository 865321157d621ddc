#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <bench/machine.h>
#include <bench/report/statistics.h>
#include <retention/base/export.h>

namespace retentive::bench {

/// What is timed: reading a prompt and decoding after it, for every model and length of context.
struct LanguageOptions {
  std::vector<std::string> models = {"retnet_medium"};
  std::vector<int64_t> contexts = {1024};
  Precision precision = Precision::fp32;
  int64_t batch = 1;
  int threads = 0;        ///< 0 = all cores
  int steps = 40;         ///< decoding steps of each model and context that count
  bool by_token = false;  ///< also read the prompt token by token
  /// Fill the states with normal values in place of reading a prompt, which takes minutes where it is long: a step
  /// takes as long after one as after the other.
  bool random_state = false;
};

/// One model at one length of context.
struct LanguageCell {
  std::string model;
  int64_t context = 0;
  double prefill_ms = 0;   ///< chunkwise, whole batch; 0 with a random state
  double by_token_ms = 0;  ///< token by token; 0 unless asked for
  std::vector<double> step_ms = {};
  Summary step = {};
  double state_mb = 0;
  double step_gb = 0;  ///< bytes that one step must move, in 1e9: weights, one row of the embedding, state in and out

  double tokens_per_s(int64_t batch) const { return 1e3 * static_cast<double>(batch) / step.median; }
};

/// A finished measurement. Steps of all cells are interleaved, so that they share the machine's conditions.
struct LanguageResult {
  LanguageOptions options;
  Machine machine;
  double read_gb_per_s = 0;  ///< measured by this program on as many threads
  double peak_rss_mb = 0;
  std::vector<LanguageCell> cells;

  double bandwidth_share(const LanguageCell& cell) const {
    return cell.step_gb / (cell.step.median / 1e3) / read_gb_per_s;
  }
};

/// `progress` is called with a line for every part. Random weights and tokens from fixed seeds. Throws ConfigError for
/// unknown models and models of images, InvalidArgument for contexts below 1.
RETENTIVE_API LanguageResult measure_language(const LanguageOptions& options,
                                              const std::function<void(const std::string&)>& progress = {});

RETENTIVE_API std::string language_json(const LanguageResult& result);
RETENTIVE_API std::string language_text(const LanguageResult& result);

}  // namespace retentive::bench
