#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <bench/machine.h>
#include <retention/base/export.h>
#include <retention/base/precision.h>

namespace retentive::bench {

/// What is timed: reading a prompt and decoding after it, for every model, number type, batch and length of context.
struct LanguageOptions {
  std::vector<std::string> models = {"retnet_medium"};
  std::vector<int64_t> contexts = {1024};
  std::vector<Precision> precisions = {Precision::fp32};
  std::vector<int64_t> batches = {1};
  int threads = 0;        ///< 0 = all cores
  int steps = 40;         ///< decoding steps of each case that count
  bool by_token = false;  ///< also read the prompt token by token
  /// Fill the states with normal values in place of reading a prompt, which takes minutes where it is long: a step
  /// takes as long after one as after the other.
  bool random_state = false;
};

/// Cells of task "prefill" (the whole batch; form "recurrent" when read token by token; none with a random state) and
/// "decode" for every case. Steps of all cells are interleaved, so that they share the machine's
/// conditions; memory is that of the process only with one case, else 0. `progress` is called with a
/// line for every part. Random weights and tokens from fixed seeds. Throws ConfigError for unknown models and models of
/// images, InvalidArgument for contexts and batches below 1 and empty lists.
RETENTIVE_API Results measure_language(const LanguageOptions& options,
                                       const std::function<void(const std::string&)>& progress = {});

/// As measure_language(), but every case in a fresh process of `program`, this program, one after the
/// other: memory is that of each. Throws also StateError when one fails.
RETENTIVE_API Results measure_language_apart(const LanguageOptions& options, const std::string& program,
                                             const std::function<void(const std::string&)>& progress = {});

}  // namespace retentive::bench
