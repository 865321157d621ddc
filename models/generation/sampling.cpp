#include <models/generation/sampling.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_map>

#include <retention/base/error.h>

namespace retentive::models {
namespace {

using Candidates = std::vector<Candidate>;

constexpr float kBanned = -std::numeric_limits<float>::infinity();

void require(bool fine, const char* name, double value, const char* accepted) {
  if (fine) return;
  throw InvalidArgument("[generate] " + std::string(name) + " is " + std::to_string(value) + "; accepted: " + accepted);
}

// Bans every token that would complete a sequence of n tokens that the text has already.
void ban_repeated_ngrams(std::span<float> logits, std::span<const int64_t> history, size_t n) {
  if (n == 0 || history.size() + 1 < n) return;
  const auto tail = history.last(n - 1);
  for (size_t end = n - 1; end < history.size(); ++end) {
    const auto earlier = history.subspan(end - (n - 1), n - 1);
    const auto token = static_cast<size_t>(history[end]);
    if (std::equal(earlier.begin(), earlier.end(), tail.begin()) && token < logits.size()) logits[token] = kBanned;
  }
}

// Keeps the first candidates whose probabilities reach `share` together, at least one.
void keep_share(Candidates& from, double share) {
  double sum = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    sum += from[i].probability;
    if (sum >= share) {
      from.resize(i + 1);
      return;
    }
  }
}

void normalise(Candidates& of) {
  double sum = 0;
  for (const auto& candidate : of) sum += candidate.probability;
  for (auto& candidate : of) candidate.probability /= sum;
}

bool more_probable(const Candidate& a, const Candidate& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
}

void keep_typical(Candidates& from, double share) {
  double entropy = 0;
  for (const auto& [token, p] : from) entropy -= p > 0 ? p * std::log(p) : 0;
  const auto surprise = [&](const Candidate& c) { return std::abs(-std::log(c.probability) - entropy); };
  std::stable_sort(from.begin(), from.end(), [&](const auto& a, const auto& b) { return surprise(a) < surprise(b); });
  keep_share(from, share);
  std::sort(from.begin(), from.end(), more_probable);
}

// -infinity stands for a banned token; nothing else that is not finite can be chosen from.
void check_logits(std::span<const float> logits) {
  bool any = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    any = any || std::isfinite(logits[i]);
    if (std::isfinite(logits[i]) || logits[i] == kBanned) continue;
    throw StateError("[generate] the logit of token " + std::to_string(i) + " is " + std::to_string(logits[i]) +
                     "; finite numbers, and -inf for tokens that are banned, are accepted: the weights are damaged");
  }
  if (!any) throw StateError("[generate] every token is banned; leave one that can be chosen");
}

// The softmax of what is not banned, in order of tokens, without what is less probable than `least`.
Candidates softmax(std::span<const float> logits, double temperature, double least) {
  float best = kBanned;
  for (const float logit : logits) best = std::max(best, logit);
  Candidates all;
  all.reserve(logits.size());
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] == kBanned) continue;
    all.push_back({static_cast<int64_t>(i), std::exp((static_cast<double>(logits[i]) - best) / temperature)});
    sum += all.back().probability;
  }
  for (auto& candidate : all) candidate.probability /= sum;
  std::erase_if(all, [&](const Candidate& candidate) { return candidate.probability < least; });
  return all;
}

// The first of the most probable tokens, as a certain choice.
Candidates best_of(std::span<const float> logits) {
  const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  return {{static_cast<int64_t>(best), 1.0}};
}

void sort_first(Candidates& all, size_t count) {
  count = std::min(count, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(), more_probable);
  all.resize(count);
}

// The candidates, in order of tokens when no limit needs them sorted.
Candidates limited(std::span<const float> logits, std::span<const int64_t> history, const SamplingOptions& options) {
  std::vector<float> adjusted(logits.begin(), logits.end());
  check_logits(adjusted);
  apply_penalties(adjusted, history, options);
  check_logits(adjusted);
  if (options.temperature == 0) return best_of(adjusted);
  const bool plain = options.top_k == 0 && options.top_p == 1 && options.min_p == 0 && options.typical_p == 1;
  // What is less probable than this cannot be among the fewest of top_p, and need not be sorted.
  const double least = (1 - options.top_p) / static_cast<double>(adjusted.size());
  auto kept = softmax(adjusted, options.temperature, options.top_k == 0 ? least : 0);
  if (plain) return kept;
  sort_first(kept, options.top_k > 0 ? static_cast<size_t>(options.top_k) : kept.size());
  if (options.top_k > 0) normalise(kept);
  if (options.top_p < 1) {
    keep_share(kept, options.top_p);
    normalise(kept);
  }
  if (options.min_p > 0) {
    const double smallest = options.min_p * kept.front().probability;
    std::erase_if(kept, [&](const Candidate& candidate) { return candidate.probability < smallest; });
    normalise(kept);
  }
  if (options.typical_p < 1) {
    keep_typical(kept, options.typical_p);
    normalise(kept);
  }
  return kept;
}

}  // namespace

void SamplingOptions::validate() const {
  require(temperature >= 0 && std::isfinite(temperature), "temperature", temperature, "0 or more");
  require(top_k >= 0, "top_k", static_cast<double>(top_k), "0 (all) or more tokens");
  require(top_p > 0 && top_p <= 1, "top_p", top_p, "above 0 and at most 1");
  require(min_p >= 0 && min_p <= 1, "min_p", min_p, "0 to 1");
  require(typical_p > 0 && typical_p <= 1, "typical_p", typical_p, "above 0 and at most 1");
  require(repetition_penalty > 0 && std::isfinite(repetition_penalty), "repetition_penalty", repetition_penalty,
          "above 0; 1 is off");
  require(std::isfinite(presence_penalty), "presence_penalty", presence_penalty, "a finite number");
  require(std::isfinite(frequency_penalty), "frequency_penalty", frequency_penalty, "a finite number");
  require(no_repeat_ngram >= 0, "no_repeat_ngram", static_cast<double>(no_repeat_ngram), "0 (off) or more tokens");
}

void apply_penalties(std::span<float> logits, std::span<const int64_t> history, const SamplingOptions& options) {
  const bool penalties =
      options.repetition_penalty != 1 || options.presence_penalty != 0 || options.frequency_penalty != 0;
  std::unordered_map<int64_t, int64_t> counts;
  for (size_t i = 0; penalties && i < history.size(); ++i) ++counts[history[i]];
  for (const auto& [token, count] : counts) {
    if (token < 0 || token >= static_cast<int64_t>(logits.size())) continue;
    float& logit = logits[static_cast<size_t>(token)];
    const double scaled = logit > 0 ? logit / options.repetition_penalty : logit * options.repetition_penalty;
    const double penalised = scaled - options.presence_penalty - options.frequency_penalty * static_cast<double>(count);
    // The strongest penalties exceed float.
    constexpr double kLargest = std::numeric_limits<float>::max();
    if (logit != kBanned) logit = static_cast<float>(std::clamp(penalised, -kLargest, kLargest));
  }
  ban_repeated_ngrams(logits, history, static_cast<size_t>(options.no_repeat_ngram));
}

std::vector<Candidate> candidates(std::span<const float> logits, std::span<const int64_t> history,
                                  const SamplingOptions& options) {
  auto kept = limited(logits, history, options);
  std::sort(kept.begin(), kept.end(), more_probable);
  return kept;
}

Sampler::Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) { options.validate(); }

int64_t Sampler::sample(std::span<const float> logits, std::span<const int64_t> history) {
  const auto from = limited(logits, history, options_);
  if (from.size() == 1) return from.front().token;
  // 53 random bits: the standard's distributions differ between libraries.
  double left = static_cast<double>(random_() >> 11) * 0x1p-53;
  for (const auto& [token, probability] : from) {
    left -= probability;
    if (left < 0) return token;
  }
  return from.back().token;
}

}  // namespace retentive::models
