#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include <retention/base/export.h>

namespace retentive::models {

/// How the next token is chosen from logits. In this order: penalties and bans on the text so far, temperature, then
/// each limit keeps part of what the one before it left: top_k, top_p, min_p, typical_p.
struct SamplingOptions {
  double temperature = 1;         ///< logits are divided by it; 0 takes the most probable token
  int64_t top_k = 0;              ///< only the k most probable tokens; 0 = all
  double top_p = 1;               ///< fewest tokens of at least this probability together (Holtzman et al., 2020)
  double min_p = 0;               ///< tokens at least this times as probable as the best (Nguyen et al., 2024)
  double typical_p = 1;           ///< as top_p, those of information nearest the entropy first (Meister et al., 2022)
  double repetition_penalty = 1;  ///< logits of tokens of the text so far: positive / it, negative * it (CTRL, 2019)
  double presence_penalty = 0;    ///< subtracted once from the logits of tokens of the text so far
  double frequency_penalty = 0;   ///< subtracted for every occurrence
  int64_t no_repeat_ngram = 0;    ///< no sequence of this many tokens twice; 0 = off
  uint64_t seed = 0;

  /// Calls f(name, field, help) for every field.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("temperature", self.temperature, "logits are divided by it; 0 takes the most probable token");
    f("top_k", self.top_k, "only the k most probable tokens; 0 = all");
    f("top_p", self.top_p, "the fewest tokens of at least this probability together");
    f("min_p", self.min_p, "tokens at least this times as probable as the best");
    f("typical_p", self.typical_p, "as top_p, tokens of typical information first");
    f("repetition_penalty", self.repetition_penalty, "makes tokens of the text so far less probable; 1 = off");
    f("presence_penalty", self.presence_penalty, "subtracted once from logits of tokens of the text so far");
    f("frequency_penalty", self.frequency_penalty, "subtracted for every occurrence");
    f("no_repeat_ngram", self.no_repeat_ngram, "no sequence of this many tokens twice; 0 = off");
    f("seed", self.seed, "of the random choices; the same seed gives the same text");
  }

  /// Throws InvalidArgument naming the first field with a value that has no meaning.
  RETENTIVE_API void validate() const;

  bool operator==(const SamplingOptions&) const = default;
};

/// A token that may be chosen.
struct Candidate {
  int64_t token = 0;
  double probability = 0;
};

/// Applies penalties and bans to logits in place. `history` is the text so far.
RETENTIVE_API void apply_penalties(std::span<float> logits, std::span<const int64_t> history,
                                   const SamplingOptions& options);

/// What may be chosen and with which probability, the most probable first. Logits of -infinity are of banned tokens.
/// Throws StateError for NaN, +infinity, and when every token is banned.
RETENTIVE_API std::vector<Candidate> candidates(std::span<const float> logits, std::span<const int64_t> history,
                                                const SamplingOptions& options);

/// Draws tokens; the same seed, logits and histories give the same tokens on every machine.
class RETENTIVE_API Sampler {
 public:
  /// Throws what SamplingOptions::validate() throws.
  explicit Sampler(const SamplingOptions& options);

  /// The next token for logits [V]; `history` is the text so far. Throws as candidates().
  int64_t sample(std::span<const float> logits, std::span<const int64_t> history);

 private:
  SamplingOptions options_;
  std::mt19937_64 random_;
};

}  // namespace retentive::models
