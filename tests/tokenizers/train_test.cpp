#include <models/test_files.h>
#include <models/tokenizers/train_bpe.h>
#include <retention/base/error.h>
#include <support/catch.h>
#include <tokenizers/fixtures.h>

namespace retentive::models {
namespace {

using namespace retentive::testing;
using Catch::Matchers::Contains;

std::vector<std::string> lines() {
  std::vector<std::string> result;
  for (int i = 0; i < 400; ++i) {
    result.push_back("the retention of step " + std::to_string(i * 37 % 101) + " decays, isn't it? " +
                     (i % 3 == 0 ? "Gr\xC3\xBC\xC3\x9F"
                                   "e \xF0\x9F\x98\x80"
                                 : "over distance\n\n  and time"));
  }
  return result;
}

}  // namespace

TEST_CASE("merges worked out by hand", "[tokenizers]") {
  // Words: "ab" 3 times, " ab" twice, "b" once; pairs: (a, b) 5, (space, a) 2.
  const std::vector<std::string> texts = {"ab ab", "ab ab", "ab", "b"};
  const auto tokenizer = train_bpe(texts, {.vocab_size = 256 + 1 + 2, .min_frequency = 2});
  CHECK(tokenizer->vocab_size() == 259);
  CHECK(tokenizer->id_to_token(0) == "<|endoftext|>");
  CHECK(tokenizer->id_to_token(1) == "!");
  CHECK(tokenizer->id_to_token(257) == "ab");
  CHECK(tokenizer->id_to_token(258) ==
        "\xC4\xA0"
        "ab");
  CHECK(tokenizer->encode("ab ab") == std::vector<std::int64_t>{257, 258});
}

TEST_CASE("of equal counts the smaller ids merge first", "[tokenizers]") {
  const std::vector<std::string> texts = {"cd", "ab", "cd", "ab"};
  const auto tokenizer = train_bpe(texts, {.vocab_size = 258, .special_tokens = {}});
  CHECK(tokenizer->id_to_token(256) == "ab");
  CHECK(tokenizer->id_to_token(257) == "cd");
  CHECK(train_bpe(texts, {.vocab_size = 400, .special_tokens = {}})->vocab_size() == 258);
  CHECK(train_bpe(texts, {.vocab_size = 400, .min_frequency = 3, .special_tokens = {}})->vocab_size() == 256);
}

TEST_CASE("repeated letters merge from the left", "[tokenizers]") {
  const std::vector<std::string> texts = {"aaaaa", "aaaaa"};
  const auto tokenizer = train_bpe(texts, {.vocab_size = 258, .special_tokens = {}});
  CHECK(tokenizer->id_to_token(256) == "aa");
  CHECK(tokenizer->id_to_token(257) == "aaa");  // (aa, a) has smaller ids than (aa, aa)
  CHECK(tokenizer->encode("aaaaa").size() == 2);
}

TEST_CASE("a trained tokenizer keeps every text", "[tokenizers]") {
  const auto texts = lines();
  std::int64_t read = 0, merged = 0;
  const auto tokenizer = train_bpe(
      texts, {.vocab_size = 350},
      [&](std::string_view stage, std::int64_t done, std::int64_t) { (stage == "read" ? read : merged) = done; });
  CHECK(merged == tokenizer->vocab_size());
  CHECK(read > 0);
  for (const auto& text : texts) CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
  CHECK(tokenizer->encode(texts[0]).size() < texts[0].size() / 2);
  CHECK(train_bpe(texts, {.vocab_size = 350})->serialize() == tokenizer->serialize());
  CHECK(parse_tokenizer(tokenizer->serialize(), "own")->encode(texts[1]) == tokenizer->encode(texts[1]));
  CHECK(tokenizer->encode("a<|endoftext|>b").size() == 3);
}

TEST_CASE("training from files equals training from texts", "[tokenizers]") {
  const TemporaryFolder folder;
  const auto texts = lines();
  std::vector<std::filesystem::path> files;
  for (std::size_t i = 0; i < 20; ++i) files.emplace_back(folder.write("t" + std::to_string(i), texts[i]));
  const auto tokenizer = train_bpe_files(files, {.vocab_size = 300});
  CHECK(tokenizer->serialize() == train_bpe(std::span(texts).first(20), {.vocab_size = 300})->serialize());
  for (const std::string& bad : {folder / "missing", folder.path().string()}) {
    files.emplace_back(bad);
    CHECK_THAT(message_of<CheckpointError>([&] { train_bpe_files(files); }),
               Contains(bad) && Contains("give a text file") && !Contains("tokenizer.json"));
    files.pop_back();
  }
}

TEST_CASE("training refuses what cannot be", "[tokenizers]") {
  const std::vector<std::string> texts = {"ab"}, none = {""};
  const auto message = [&](const BpeTrainingOptions& options) {
    return message_of<InvalidArgument>([&] { train_bpe(texts, options); });
  };
  CHECK_THAT(message({.vocab_size = 256}), Contains("256") && Contains("257"));
  CHECK_THAT(message({.min_frequency = 0}), Contains("min_frequency"));
  CHECK_THAT(message({.special_tokens = {"<a>", "<a>"}}), Contains("'<a>'"));
  CHECK_THAT(message({.special_tokens = {"a"}}), Contains("'a'"));
  CHECK_THAT(message_of<DataError>([&] { train_bpe(none); }), Contains("empty"));
}

TEST_CASE("a trained tokenizer says which special token ends a text", "[tokenizers]") {
  const std::vector<std::string> texts = {"ab ab ab"};
  const auto eos = [&](const BpeTrainingOptions& options) { return train_bpe(texts, options)->eos_id(); };
  CHECK(eos({}) == 0);
  CHECK_FALSE(eos({.special_tokens = {"<pad>", "<end>"}}));
  const BpeTrainingOptions named = {.special_tokens = {"</s>", "<pad>", "<end>"}, .end_of_text = "<end>"};
  const auto tokenizer = train_bpe(texts, named);
  CHECK(tokenizer->eos_id() == 2);
  CHECK(parse_tokenizer(tokenizer->serialize(), "own")->eos_id() == 2);
  CHECK_FALSE(tokenizer->bos_id());
  // One text is encoded as without it.
  CHECK(tokenizer->encode("ab ab", {.add_special_tokens = true}) ==
        train_bpe(texts, {.special_tokens = named.special_tokens})->encode("ab ab"));
  CHECK_THAT(message_of<InvalidArgument>([&] { train_bpe(texts, {.end_of_text = "<end>"}); }),
             Contains("'<end>'") && Contains("'<|endoftext|>'"));
}

TEST_CASE("merges and ids equal those of the Python library's trainer", "[tokenizers]") {
  const auto tokenizer = train_bpe(lines(), {.vocab_size = 320});
  const auto expected = nlohmann::json::parse(file_text(tokenizer_path("trained.expected")));
  CHECK(nlohmann::json::parse(tokenizer->serialize()).at("model").at("merges") == expected.at("merges"));
  for (const auto& [text, ids] : expected.at("ids").items()) {
    CHECK(tokenizer->encode(text) == ids.get<std::vector<std::int64_t>>());
  }
}

}  // namespace retentive::models
