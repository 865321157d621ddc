#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include <models/retnet.h>
#include <models/tokenizers/tokenizer.h>
#include <retention/base/export.h>

namespace retentive::models {

struct PerplexityOptions {
  /// Tokens that the model sees at most: the text is cut into windows of this many, each read anew. 0 = one stream, the
  /// state carried from the first token to the last.
  int64_t window = 0;
  int64_t segment = 1024;  ///< tokens that go through the model at a time
};

/// How well tokens at positions [begin, end) of their window or stream are predicted.
struct PositionBucket {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t tokens = 0;
  double nll = 0;  ///< sum of negative log likelihoods, in nats
};

struct PerplexityResult {
  int64_t tokens = 0;                   ///< predicted ones: all but the first
  double nll = 0;                       ///< sum of negative log likelihoods, in nats
  std::vector<PositionBucket> buckets;  ///< [0, 64), [64, 128), [128, 256), ...; the last one with tokens ends the list

  double perplexity() const { return std::exp(nll / static_cast<double>(tokens)); }
  /// Of tokens that stand for this many bytes: see predicted_bytes().
  double bits_per_byte(int64_t bytes) const { return nll / std::log(2.0) / static_cast<double>(bytes); }
};

/// Bytes of `text` that its tokens stand for without the first one, which nothing predicts; a first token that begins
/// the text without being part of it counts for none.
RETENTIVE_API int64_t predicted_bytes(const Tokenizer& tokenizer, std::string_view text,
                                      std::span<const int64_t> tokens);

/// Likelihood of a text of at least two tokens. `progress`, when given, is called with the tokens done. Throws
/// InvalidArgument for fewer tokens and for a window or segment that has no meaning, StateError for logits that are not
/// finite.
RETENTIVE_API PerplexityResult perplexity(RetnetImpl& model, std::span<const int64_t> tokens,
                                          const PerplexityOptions& options = {},
                                          const std::function<void(int64_t done)>& progress = {});

}  // namespace retentive::models
