#include <numeric>

#include <torch/torch.h>

#include <models/generation/perplexity.h>
#include <models/registry.h>
#include <models/test_files.h>
#include <models/tokenizers/tokenizer.h>
#include <retention/base/error.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

std::shared_ptr<models::RetnetImpl> tiny() {
  auto model = models::as_language_model(models::build(models::find_model("test_retnet").config, 2), "test_retnet");
  model->eval();
  return model;
}

std::vector<int64_t> some_text(int64_t length) {
  const auto tokens = torch::randint(0, 97, {length}, at::detail::createCPUGenerator(4), at::kLong);
  return {tokens.const_data_ptr<int64_t>(), tokens.const_data_ptr<int64_t>() + length};
}

// By the parallel form over one window at a time.
std::vector<double> by_definition(models::RetnetImpl& model, const std::vector<int64_t>& tokens, int64_t window) {
  const torch::NoGradGuard no_grad;
  std::vector<double> nll;
  const auto last = static_cast<int64_t>(tokens.size()) - 1;
  for (int64_t begin = 0; begin < last; begin += window) {
    const auto end = std::min(begin + window, last);
    const std::vector<int64_t> seen(tokens.begin() + begin, tokens.begin() + end);
    const auto logits = model.forward(torch::tensor(seen).unsqueeze(0), nullptr, {.form = Form::parallel})[0];
    const auto logs = torch::log_softmax(logits.to(at::kDouble), -1);
    for (int64_t i = begin; i < end; ++i) {
      nll.push_back(-logs[i - begin][tokens[static_cast<size_t>(i) + 1]].item<double>());
    }
  }
  return nll;
}

TEST_CASE("perplexity is that of the parallel form, windowed and as one stream", "[perplexity]") {
  const auto model = tiny();
  const auto tokens = some_text(301);
  for (const int64_t window : {0, 1, 50, 128, 1000}) {
    const auto expected = by_definition(*model, tokens, window > 0 ? window : 300);
    for (const int64_t segment : {7, 64, 1024}) {
      const auto result = models::perplexity(*model, tokens, {.window = window, .segment = segment});
      const double sum = std::accumulate(expected.begin(), expected.end(), 0.0);
      CHECK(result.tokens == 300);
      CHECK(result.nll == Approx(sum).epsilon(1e-5));
      CHECK(result.perplexity() == Approx(std::exp(sum / 300)).epsilon(1e-5));
      CHECK(result.bits_per_byte(600) == Approx(sum / std::log(2.0) / 600).epsilon(1e-5));
    }
  }
}

TEST_CASE("buckets hold the positions that they name", "[perplexity]") {
  const auto model = tiny();
  const auto tokens = some_text(301);
  const auto expected = by_definition(*model, tokens, 300);
  const auto result = models::perplexity(*model, tokens);
  REQUIRE(result.buckets.size() == 4);
  int64_t begin = 0;
  for (const auto& bucket : result.buckets) {
    CHECK(bucket.begin == begin);
    const auto end = std::min<int64_t>(bucket.end, 300);
    CHECK(bucket.tokens == end - begin);
    CHECK(bucket.nll == Approx(std::accumulate(expected.begin() + begin, expected.begin() + end, 0.0)).epsilon(1e-5));
    begin = bucket.end;
  }
  const auto windows = models::perplexity(*model, tokens, {.window = 100});
  CHECK(windows.buckets.size() == 2);
  CHECK(windows.buckets[0].tokens == 3 * 64);
}

TEST_CASE("bits a byte count the bytes that are predicted", "[perplexity]") {
  const auto bytes = [](const std::string& tokenizer, const std::string& text, bool special = false) {
    const auto words = models::load_tokenizer(tokenizer);
    const auto tokens = words->encode(text, {.add_special_tokens = special, .match_special_tokens = false});
    return models::predicted_bytes(*words, text, tokens);
  };
  CHECK(bytes("bytes", "The king") == 7);
  CHECK(bytes("bytes", "\xC3\xA9t\xC3\xA9") == 4);  // half a character
  CHECK(bytes("bytes", "") == 0);
  const auto fixture = [](const std::string& name) { return fixture_path("tokenizers/" + name); };
  // Byte-level: the first word, with the space that may stand before it in the text.
  const auto gpt2 = models::load_tokenizer(fixture("gpt2.json"));
  for (const std::string text : {"the king", " the king", "\xF0\x9F\x98\x80 king", "<|endoftext|>x"}) {
    const auto tokens = gpt2->encode(text, {.match_special_tokens = false});
    std::string rest;
    for (size_t i = 1; i < tokens.size(); ++i) rest += gpt2->token_text(tokens[i]);
    CHECK(models::predicted_bytes(*gpt2, text, tokens) == static_cast<int64_t>(rest.size()));
    CHECK(gpt2->token_text(tokens[0]) + rest == text);
  }
}

TEST_CASE("perplexity needs something to predict", "[perplexity]") {
  const auto model = tiny();
  CHECK_THROWS_AS(models::perplexity(*model, some_text(1)), InvalidArgument);
  CHECK_THROWS_AS(models::perplexity(*model, some_text(5), {.segment = 0}), InvalidArgument);
  CHECK_THROWS_AS(models::perplexity(*model, some_text(5), {.window = -1}), InvalidArgument);
}

}  // namespace
}  // namespace retentive::testing
