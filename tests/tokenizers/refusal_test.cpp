#include <models/test_files.h>
#include <models/tokenizers/bpe_tokenizer.h>
#include <models/tokenizers/tokenizer.h>
#include <retention/base/error.h>
#include <support/catch.h>
#include <tokenizers/fixtures.h>

namespace retentive::models {
namespace {

using namespace retentive::testing;
using Catch::Matchers::Contains;
using nlohmann::json;

// A small valid tokenizer.json to change: a and b with one merge.
json small() {
  return json::parse(R"({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": null, "post_processor": null, "decoder": null, "model": {"type": "BPE", "dropout": null,
    "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
    "byte_fallback": false, "ignore_merges": false, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}})");
}

json changed(const std::string& pointer, const json& value) {
  json result = small();
  result[json::json_pointer(pointer)] = value;
  return result;
}

json added_token(const std::string& content, std::int64_t id) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

template <class E>
std::string refusal(const json& content) {
  return message_of<E>([&] { BpeTokenizer::from_json(content.dump(), "t.json"); });
}

std::string unsupported(const std::string& pointer, const json& value) {
  return refusal<Unsupported>(changed(pointer, value));
}

std::string malformed(const std::string& pointer, const json& value) {
  return refusal<CheckpointError>(changed(pointer, value));
}

json split_by(const std::string& pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

std::vector<std::int64_t> encode(const json& content, const std::string& text) {
  return BpeTokenizer::from_json(content.dump(), "t.json")->encode(text);
}

}  // namespace

TEST_CASE("the small tokenizer works", "[tokenizers]") {
  CHECK(encode(small(), "abba") == std::vector<std::int64_t>{2, 1, 0});
  CHECK(encode(small(), "axb") == std::vector<std::int64_t>{2});  // without an unknown token, x vanishes
  CHECK(encode(changed("/model/merges", json::array({"#version: 0.2", "a b"})), "ab") == std::vector<std::int64_t>{2});
}

TEST_CASE("what is not supported is refused by its path", "[tokenizers]") {
  CHECK_THAT(unsupported("/model/type", "Unigram"), Contains("t.json: model.type 'Unigram' is not supported"));
  CHECK_THAT(unsupported("/model/dropout", 0.1), Contains("model.dropout is 0.1"));
  CHECK_THAT(unsupported("/model/end_of_word_suffix", "</w>"), Contains("model.end_of_word_suffix is '</w>'"));
  CHECK_THAT(unsupported("/model/surprise", 1), Contains("'surprise'"));
  CHECK_THAT(unsupported("/normalizer", {{"type", "Precompiled"}}), Contains("normalizer.type 'Precompiled'"));
  CHECK_THAT(unsupported("/normalizer", {{"type", "NFC"}, {"x", 1}}), Contains("normalizer has a field 'x'"));
  CHECK_THAT(unsupported("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {{{"type", "BertPreTokenizer"}}}}}),
             Contains("pre_tokenizer.pretokenizers[0].type 'BertPreTokenizer'"));
  CHECK_THAT(unsupported("/decoder", {{"type", "WordPiece"}}), Contains("decoder.type 'WordPiece'"));
  CHECK_THAT(unsupported("/post_processor", {{"type", "RobertaProcessing"}}), Contains("post_processor.type"));
  CHECK_THAT(unsupported("/truncation", {{"max_length", 5}}), Contains("truncation is set"));
  CHECK_THAT(unsupported("/version", "2.0"), Contains("version"));
  CHECK_THAT(unsupported("/extra", 1), Contains("'extra'"));
}

TEST_CASE("patterns that are not known to match alike are refused", "[tokenizers]") {
  for (const char* pattern :
       {R"((a)\1)", R"(\bword)",     "[a[bc]]",      "[a&&b]",  "a{2}?",          "a{1,2}+", "(?m:a)",
        "(?i:st)",  "(?i:[ab])",     R"(\p{Alnum})", R"([\W])", "(?<name>a)",     R"(\h)",   "a**",
        "*a",       "(?i:\xC3\xA4)", R"(\xE9)",      R"(\K)",   R"((?i:\p{Lu}))", "[]a]",    R"([\d-x])"}) {
    INFO(pattern);
    CHECK_THAT(unsupported("/pre_tokenizer", split_by(pattern)), Contains("pre_tokenizer.pattern.Regex uses"));
  }
  for (const char* pattern : {"(a", "a)", "[a", "[b-a]", "a\\"}) {
    INFO(pattern);
    CHECK_THAT(malformed("/pre_tokenizer", split_by(pattern)), Contains("pre_tokenizer.pattern.Regex"));
  }
  for (const char* pattern : {R"((?i:'s|'re)|[^\s\p{L}]+|\s+(?!\S)|\s+$)", R"([\x{4E00}-\x{9FA5}\u3042-]+)", "a{,2}b*?",
                              R"(\p{Han}+|\P{L}|\p{^N})", R"((?<=a)b(?>c|d)++)", R"(\w+|[^\w\-\]]|\n|\.)"}) {
    INFO(pattern);
    CHECK_NOTHROW(encode(changed("/pre_tokenizer", split_by(pattern)), "a b"));
  }
}

TEST_CASE("files that contradict themselves are malformed", "[tokenizers]") {
  CHECK_THAT(malformed("/model/vocab/b", 0), Contains("the id 0"));
  CHECK_THAT(malformed("/model/vocab/b", -1), Contains("'b' the id -1"));
  CHECK_THAT(malformed("/model/vocab/b", 4294967296), Contains("4294967296"));
  CHECK_THAT(malformed("/model/merges", json::array({"a c"})), Contains("model.merges[0] needs the token 'c'"));
  CHECK_THAT(malformed("/model/merges", json::array({"b a"})), Contains("'ba'"));
  CHECK_THAT(malformed("/model/merges", json::array({"a b c"})), Contains("one space"));
  CHECK_THAT(malformed("/model/merges", json::array({json::array({"a", "b"}), "a b"})), Contains("merges[1]"));
  CHECK_THAT(malformed("/model/unk_token", "<unk>"), Contains("'<unk>'"));
  CHECK_THAT(malformed("/model/fuse_unk", 1), Contains("model.fuse_unk is number"));
  CHECK_THAT(malformed("/model", 7), Contains("model is number"));
  CHECK_THAT(malformed("/added_tokens", json::array({added_token("<x>", 7)})), Contains("has the id 7"));
  CHECK_THAT(malformed("/added_tokens", json::array({added_token("<x>", 3), added_token("<x>", 4)})),
             Contains("two tokens that match '<x>'"));
  CHECK_THAT(malformed("/added_tokens", json::array({added_token("", 3)})), Contains("is empty"));
  CHECK_THAT(malformed("/pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "__"}}), Contains("one character"));
  const json special = {{"SpecialToken", {{"id", "<x>"}, {"type_id", 0}}}};
  const json post = {{"type", "TemplateProcessing"},
                     {"single", json::array({special})},
                     {"pair", json::array()},
                     {"special_tokens", {{"<x>", {{"id", "<x>"}, {"ids", {99}}, {"tokens", {"<x>"}}}}}}};
  CHECK_THAT(malformed("/post_processor", post), Contains("the id 99"));
  json deep = {{"type", "NFC"}};
  for (int i = 0; i < 100; ++i) deep = {{"type", "Sequence"}, {"normalizers", json::array({deep})}};
  CHECK_THAT(malformed("/normalizer", deep), Contains("deep"));
  const std::string cut = small().dump().substr(0, 100);
  CHECK_THAT(message_of<CheckpointError>([&] { BpeTokenizer::from_json(cut, "t.json"); }), Contains("no valid JSON"));
}

TEST_CASE("a pattern that explodes ends in an error", "[tokenizers]") {
  const json content = changed("/pre_tokenizer", split_by("(?:a+a+)+[bc]"));
  CHECK_THAT(message_of<DataError>([&] { encode(content, std::string(5000, 'a')); }), Contains("gives up"));
}

TEST_CASE("options of Metaspace in both spellings", "[tokenizers]") {
  json content = changed("/model/vocab", {{"a", 0}, {"_", 1}, {"_a", 2}});
  content["model"]["merges"] = json::array({"_ a"});
  const auto ids = [&](const json& options) {
    content["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}};
    content["pre_tokenizer"].update(options);
    return encode(content, "a a");
  };
  CHECK(ids(json::object()) == std::vector<std::int64_t>{2, 2});
  CHECK(ids({{"add_prefix_space", true}}) == std::vector<std::int64_t>{2, 2});
  CHECK(ids({{"add_prefix_space", false}}) == std::vector<std::int64_t>{0, 2});
  CHECK(ids({{"prepend_scheme", "never"}}) == std::vector<std::int64_t>{0, 2});
  CHECK(ids({{"prepend_scheme", "first"}, {"split", false}}) == std::vector<std::int64_t>{2, 2});
}

TEST_CASE("special tokens in text can be switched off", "[tokenizers]") {
  const auto tokenizer = load_tokenizer(tokenizer_path("gpt2.json"));
  CHECK(tokenizer->encode("<|endoftext|>") == std::vector<std::int64_t>{0});
  const auto spelt = tokenizer->encode("<|endoftext|>", {.match_special_tokens = false});
  CHECK(spelt.size() > 1);
  CHECK(tokenizer->decode(spelt) == "<|endoftext|>");
  CHECK(tokenizer->decode(std::vector<std::int64_t>{0}).empty());
  CHECK(tokenizer->decode(std::vector<std::int64_t>{0}, false) == "<|endoftext|>");
  CHECK(tokenizer->eos_id() == 0);
  const auto llama = load_tokenizer(tokenizer_path("llama.json"));
  CHECK(llama->bos_id() == 1);
  CHECK(llama->eos_id() == 2);
  CHECK_THAT(message_of<InvalidArgument>([&] { llama->decode(std::vector<std::int64_t>{1, 640}); }), Contains("640"));
  CHECK_THAT(message_of<InvalidArgument>([&] { llama->id_to_token(-1); }), Contains("-1"));
}

TEST_CASE("bytes", "[tokenizers]") {
  const auto tokenizer = load_tokenizer("bytes");
  CHECK(tokenizer->vocab_size() == 256);
  CHECK(tokenizer->encode("a\xFF") == std::vector<std::int64_t>{97, 255});
  CHECK(tokenizer->decode(std::vector<std::int64_t>{0xE2, 0x82, 0xAC, 0xFF}) == "\xE2\x82\xAC\xEF\xBF\xBD");
  CHECK(tokenizer->id_to_token(10) == "<0x0A>");
  CHECK(tokenizer->token_to_id("<0x0A>") == 10);
  CHECK(parse_tokenizer(tokenizer->serialize(), "m")->kind() == "bytes");
  CHECK_FALSE(tokenizer->bos_id());
  CHECK_THAT(message_of<InvalidArgument>([&] { tokenizer->decode(std::vector<std::int64_t>{256}); }), Contains("256"));
  CHECK_THROWS_AS(tokenizer->save("x"), Unsupported);
}

TEST_CASE("files that are no tokenizer", "[tokenizers]") {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& path) {
    return message_of<CheckpointError>([&] { load_tokenizer(path); });
  };
  CHECK_THAT(message(folder / "missing"), Contains("does not exist"));
  CHECK_THAT(message(folder.path().string()), Contains("is a directory"));
  CHECK_THAT(message(folder.write("empty", "")), Contains("is empty"));
  CHECK_THAT(message(folder.write("text", "hello")), Contains("no known kind"));
  CHECK_THAT(message(folder.write("json", "{")), Contains("no valid JSON"));
  CHECK_THAT(message(folder.write("model",
                                  "\n\x05"
                                  "abc")),
             Contains("SentencePiece"));
  const std::string model = file_text(tokenizer_path("bpe.model"));
  CHECK_THAT(message(folder.write("cut.model", model.substr(0, 1000))), Contains("cut.model"));
  CHECK_THAT(message_of<CheckpointError>([&] { parse_tokenizer("sentencepiece:%%%%", "m"); }), Contains("base64"));
  const auto tokenizer = load_tokenizer(tokenizer_path("words.json"));
  tokenizer->save(folder / "saved.json");
  CHECK(load_tokenizer(folder / "saved.json")->serialize() == tokenizer->serialize());
  CHECK_THROWS_AS(tokenizer->save(folder / "nowhere/t.json"), CheckpointError);
}

}  // namespace retentive::models
