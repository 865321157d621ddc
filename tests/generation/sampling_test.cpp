#include <cmath>
#include <map>
#include <numeric>

#include <models/generation/sampling.h>
#include <models/test_files.h>
#include <retention/base/error.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::Candidate;
using models::SamplingOptions;

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 0.0f, -1.0f, 2.5f};

std::vector<int64_t> tokens_of(const std::vector<Candidate>& candidates) {
  std::vector<int64_t> tokens;
  for (const auto& candidate : candidates) tokens.push_back(candidate.token);
  return tokens;
}

double sum_of(const std::vector<Candidate>& candidates) {
  return std::accumulate(candidates.begin(), candidates.end(), 0.0,
                         [](double sum, const Candidate& c) { return sum + c.probability; });
}

// Chi-square of 1e5 draws against the probabilities; the bound is the 99.99 % point for the degrees of freedom.
void check_draws(const SamplingOptions& options, const std::vector<int64_t>& history) {
  constexpr int kDraws = 100000;
  const auto expected = models::candidates(kLogits, history, options);
  models::Sampler sampler(options);
  std::map<int64_t, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(kLogits, history)];
  double chi = 0;
  int drawn = 0;
  for (const auto& [token, probability] : expected) {
    const double mean = probability * kDraws;
    chi += (counts[token] - mean) * (counts[token] - mean) / mean;
    drawn += counts[token];
  }
  CHECK(drawn == kDraws);
  const double freedom = static_cast<double>(expected.size()) - 1;
  // Wilson and Hilferty's approximation.
  const double bound = freedom * std::pow(1 - 2 / (9 * freedom) + 3.72 * std::sqrt(2 / (9 * freedom)), 3);
  CHECK(chi < bound);
}

TEST_CASE("draws follow the distribution", "[sampling]") {
  check_draws({.seed = 1}, {});
  check_draws({.temperature = 0.5, .seed = 2}, {});
  check_draws({.temperature = 3, .top_k = 4, .seed = 3}, {});
  check_draws({.top_p = 0.9, .seed = 4}, {});
  check_draws({.min_p = 0.2, .seed = 5}, {});
  check_draws({.typical_p = 0.8, .seed = 6}, {});
  check_draws({.repetition_penalty = 1.3, .presence_penalty = 0.5, .frequency_penalty = 0.25, .seed = 7}, {1, 1, 4});
  check_draws({.temperature = 1.5, .top_k = 5, .top_p = 0.95, .min_p = 0.05, .typical_p = 0.95, .seed = 8}, {2});
}

TEST_CASE("the softmax is exact and sorted", "[sampling]") {
  const auto all = models::candidates(kLogits, {}, {});
  CHECK(tokens_of(all) == std::vector<int64_t>{1, 5, 2, 0, 3, 4});
  double sum = 0;
  for (const double logit : kLogits) sum += std::exp(logit);
  for (const auto& [token, probability] : all) {
    CHECK(probability ==
          Approx(std::exp(static_cast<double>(kLogits[static_cast<size_t>(token)])) / sum).epsilon(1e-12));
  }
}

TEST_CASE("limits keep what they say", "[sampling]") {
  CHECK(tokens_of(models::candidates(kLogits, {}, {.temperature = 0})) == std::vector<int64_t>{1});
  CHECK(tokens_of(models::candidates(kLogits, {}, {.top_k = 3})) == std::vector<int64_t>{1, 5, 2});
  // Probabilities .459 .278 .169 .062 .023 .008 of the softmax, in order.
  CHECK(tokens_of(models::candidates(kLogits, {}, {.top_p = 0.5})) == std::vector<int64_t>{1, 5});
  CHECK(tokens_of(models::candidates(kLogits, {}, {.top_p = 0.01})) == std::vector<int64_t>{1});
  CHECK(tokens_of(models::candidates(kLogits, {}, {.min_p = 0.3})) == std::vector<int64_t>{1, 5, 2});
  CHECK(sum_of(models::candidates(kLogits, {}, {.top_p = 0.5})) == Approx(1));
  // Of probabilities .9 .05 .05 the entropy is .394: .9 (.105) is nearer to it than .05 (2.996).
  const std::vector<float> peaked = {std::log(0.9f), std::log(0.05f), std::log(0.05f)};
  CHECK(tokens_of(models::candidates(peaked, {}, {.typical_p = 0.5})) == std::vector<int64_t>{0});
}

TEST_CASE("penalties and bans act on the text so far", "[sampling]") {
  auto logits = kLogits;
  const std::vector<int64_t> history = {1, 1, 4};
  models::apply_penalties(logits, history,
                          {.repetition_penalty = 2, .presence_penalty = 0.5, .frequency_penalty = 0.25});
  CHECK(logits[1] == Approx(3.0 / 2 - 0.5 - 2 * 0.25));
  CHECK(logits[4] == Approx(-1.0 * 2 - 0.5 - 0.25));
  CHECK(logits[2] == 2.0f);
  auto banned = kLogits;
  const std::vector<int64_t> text = {5, 1, 2, 5, 1};
  models::apply_penalties(banned, text, {.no_repeat_ngram = 3});
  CHECK(banned[2] == -INFINITY);
  CHECK(banned[5] == kLogits[5]);
  auto single = kLogits;
  models::apply_penalties(single, text, {.no_repeat_ngram = 1});
  CHECK((single[1] == -INFINITY && single[2] == -INFINITY && single[5] == -INFINITY && single[0] == 1.0f));
}

TEST_CASE("the same seed draws the same tokens", "[sampling]") {
  const auto draw = [](uint64_t seed) {
    models::Sampler sampler({.temperature = 2, .seed = seed});
    std::vector<int64_t> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sampler.sample(kLogits, {}));
    return tokens;
  };
  CHECK(draw(3) == draw(3));
  CHECK(draw(3) != draw(4));
}

TEST_CASE("bad options and logits are named", "[sampling]") {
  const auto message = [](const SamplingOptions& options) {
    return message_of<InvalidArgument>([&] { models::Sampler{options}; });
  };
  CHECK_THAT(message({.temperature = -1}), Contains("temperature is -1"));
  CHECK_THAT(message({.top_k = -1}), Contains("top_k"));
  CHECK_THAT(message({.top_p = 0}), Contains("top_p"));
  CHECK_THAT(message({.min_p = 2}), Contains("min_p"));
  CHECK_THAT(message({.typical_p = 1.5}), Contains("typical_p"));
  CHECK_THAT(message({.repetition_penalty = 0}), Contains("repetition_penalty"));
}

TEST_CASE("only banned tokens may have logits that are not finite", "[sampling]") {
  const auto refused = [](const std::vector<float>& logits, const SamplingOptions& options) {
    return message_of<StateError>([&] { models::Sampler(options).sample(logits, {}); });
  };
  for (const SamplingOptions& options : {SamplingOptions{}, SamplingOptions{.temperature = 0},
                                         SamplingOptions{.top_k = 2}, SamplingOptions{.top_p = 0.5}}) {
    CHECK_THAT(refused({0.5f, 1.0f, NAN}, options), Contains("logit of token 2 is nan"));
    CHECK_THAT(refused({0.5f, INFINITY, 1.0f}, options), Contains("logit of token 1 is inf"));
    CHECK_THAT(refused({-INFINITY, -INFINITY}, options), Contains("every token is banned"));
    models::Sampler sampler(options);
    CHECK(sampler.sample(std::vector<float>{-INFINITY, 1.0f, -INFINITY}, {}) == 1);
  }
  // Penalties beyond float stay numbers: the token is the last choice, or the first one.
  const std::vector<int64_t> history = {1};
  CHECK(tokens_of(models::candidates(kLogits, history, {.presence_penalty = 1e300})).back() == 1);
  CHECK(tokens_of(models::candidates(kLogits, history, {.presence_penalty = -1e300})).front() == 1);
}

}  // namespace
}  // namespace retentive::testing
