#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include <datasets/text.h>
#include <models/generation/perplexity.h>
#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/generator.h>
#include <models/registry.h>
#include <support/catch.h>
#include <support/paths.h>

namespace retentive::testing {
namespace {

const std::filesystem::path kAssets = std::filesystem::path(source_dir()) / "assets";

// The three test plays, each a stream of its own.
double test_bits_per_byte(Precision precision, size_t most_bytes = std::string::npos) {
  models::LanguageModelOptions options;
  options.precision = precision;
  const auto language = models::load_language_model("", options);
  double nll = 0;
  int64_t bytes = 0;
  for (const auto& play : datasets::read_documents(kAssets / "shakespeare/test")) {
    const auto text = play.text.substr(0, most_bytes);
    nll += models::perplexity(*language.network, language.tokenizer->encode(text)).nll;
    bytes += static_cast<int64_t>(text.size());
  }
  return nll / std::log(2.0) / static_cast<double>(bytes);
}

TEST_CASE("the built-in language model is small and says what it is") {
  const auto* weights = models::find_builtin_weights(models::kDefaultLanguageModel);
  REQUIRE(weights != nullptr);
  CHECK(weights->bytes.size() <= 8'000'000);
  const auto loaded = models::load_model(models::read_builtin_checkpoint(weights->model, "test"));
  CHECK(loaded.card.config == models::find_model("retnet_nano").config);
  CHECK(loaded.card.name == "retnet_nano");
  CHECK(loaded.card.license == "Apache-2.0");
  CHECK(models::count_parameters(*loaded.card.config) <= 3'900'000);
}

TEST_CASE("test plays take at most 2.1 bits a byte, in every precision") {
  const double exact = test_bits_per_byte(Precision::fp32);
  WARN("bits per byte of hamlet, tempest and twelfth_night in fp32: " << exact);
  CHECK(exact < 2.1);
  CHECK(exact > 1.5);  // less would mean that it knows the plays
  const double part = test_bits_per_byte(Precision::fp32, 20000);
  for (const auto precision : {Precision::bf16, Precision::int8, Precision::int4}) {
    const double bits = test_bits_per_byte(precision, 20000);
    WARN("first 20,000 bytes of each in " << enum_name(precision) << ": " << bits << ", fp32: " << part);
    // The perplexity of a token is 2^(bits of a token); 0.5 % of it are 0.0072 bits of a token of 2.4 bytes.
    if (precision != Precision::int4) CHECK(bits - part < 0.0072 / 2.4);
    CHECK(bits - part < 0.06);
  }
}

TEST_CASE("the three forms continue a prompt alike, greedily") {
  const auto language = models::load_language_model("", {});
  auto& model = *language.network;
  const torch::InferenceMode inference;
  for (const auto* prompt : {"To be", "HAMLET.\nThe ", "Enter the King and"}) {
    std::optional<std::vector<int64_t>> expected;
    for (const auto form : {Form::parallel, Form::recurrent, Form::chunkwise}) {
      auto tokens = language.tokenizer->encode(prompt);
      for (int i = 0; i < 48; ++i) {
        const auto input = torch::tensor(tokens).unsqueeze(0);
        const auto logits = model.forward(input, nullptr, {.form = form, .chunk = 7});
        tokens.push_back(logits[0][-1].argmax().item<int64_t>());
      }
      if (!expected) expected = tokens;
      CHECK(tokens == *expected);
    }
  }
}

TEST_CASE("Generator without weights continues Shakespeare") {
  auto generator = models::Generator::from_file("");
  CHECK(generator.model_name() == "retnet_nano");
  models::TextOptions options;
  options.max_new_tokens = 100;
  options.sampling.temperature = 0.7;
  const auto text = generator.generate("To be", options).text;
  CHECK(text.size() > 120);
  const auto spaces = std::count_if(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\n'; });
  CHECK(spaces > static_cast<int64_t>(text.size()) / 12);
}

}  // namespace
}  // namespace retentive::testing
