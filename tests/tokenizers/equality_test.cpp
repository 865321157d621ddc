#include <models/formats/message.h>
#include <models/tokenizers/stream_decoder.h>
#include <models/tokenizers/tokenizer.h>
#include <support/catch.h>
#include <tokenizers/fixtures.h>

namespace retentive::models {
namespace {

using namespace retentive::testing;

// Whether a text has no malformed sequence, by a check of its own.
bool well_formed(const std::string& text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U; };
    const std::size_t size = byte(0) < 0x80 ? 1 : byte(0) >> 5 == 6 ? 2 : byte(0) >> 4 == 14 ? 3 : 4;
    unsigned value = size == 1 ? byte(0) : byte(0) & (0x7FU >> size);
    if (size == 4 && byte(0) >> 3 != 30) return false;
    for (std::size_t k = 1; k < size; ++k) {
      if (byte(k) >> 6 != 2) return false;
      value = value << 6 | (byte(k) & 63);
    }
    const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[size] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return false;
    i += size;
  }
  return true;
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<std::int64_t>& ids, bool& whole) {
  StreamDecoder stream(tokenizer);
  std::string text;
  for (const auto id : ids) {
    const std::string piece = stream.push(id);
    whole = whole && well_formed(piece);
    text += piece;
  }
  return text + stream.flush();
}

}  // namespace

TEST_CASE("tokens stand for the bytes of their text", "[tokenizers]") {
  const std::string text = "the r\xC3\xA9tention  \xF0\x9F\x98\x80 of 12 keeps";
  for (const std::string file : {"gpt2.json", "llama3.json", "llama.json", "bpe.model"}) {
    const auto tokenizer = load_tokenizer(tokenizer_path(file));
    std::string joined;
    for (const auto id : tokenizer->encode(text)) joined += tokenizer->token_text(id);
    const bool spaced = file == "llama.json" || file == "bpe.model";  // a space before the text; the latter joins two
    CAPTURE(file);
    if (file != "bpe.model") CHECK(joined == (spaced ? " " + text : text));
    if (file == "bpe.model") CHECK(joined.starts_with(" the r"));
    for (const std::string special : {"<s>", "</s>", "<|endoftext|>", "<unk>"}) {
      if (const auto id = tokenizer->token_to_id(special)) CHECK(tokenizer->token_text(*id).empty());
    }
  }
  const auto bytes = load_tokenizer("bytes");
  CHECK(bytes->token_text(0xC3) == "\xC3");
  CHECK(load_tokenizer(tokenizer_path("llama.json"))->token_text(3 + 0xE2) == "\xE2");
}

TEST_CASE("who ends a text is told from the template, then by name", "[tokenizers]") {
  const auto spelled = [](const char* file) {
    const auto tokenizer = load_tokenizer(tokenizer_path(file));
    const auto id = tokenizer->eos_id();
    return id ? tokenizer->id_to_token(*id) : "none";
  };
  CHECK(spelled("llama.json") == "</s>");  // "<s> $A <s> $B": what stands between begins a text
  CHECK(spelled("llama3.json") == "<|endoftext|>");
  CHECK(spelled("metaspace.json") == "</s>");
  CHECK(spelled("neox.json") == "<|endoftext|>");
  CHECK(spelled("words.json") == "none");
}

TEST_CASE("ids, texts and streams equal those of the original libraries", "[tokenizers]") {
  const auto strings = fuzz_strings();
  REQUIRE(strings.size() >= 1000);
  for (const std::string& file : tokenizer_files()) {
    const auto tokenizer = load_tokenizer(tokenizer_path(file));
    const auto expected = expected_ids(stem_of(file));
    const auto decoded = nlohmann::json::parse(file_text(tokenizer_path(stem_of(file) + ".decoded")));
    REQUIRE(expected.size() == strings.size());
    int wrong_ids = 0, wrong_texts = 0, wrong_streams = 0;
    bool whole = true;
    for (std::size_t i = 0; i < strings.size(); ++i) {
      const std::string key = std::to_string(i);
      const auto ids = tokenizer->encode(strings[i], {.add_special_tokens = true});
      const std::string text = tokenizer->decode(expected[i]);
      if (ids != expected[i] && wrong_ids++ == 0) WARN(file << ": ids of " << formats::in_quotes(strings[i]));
      if (text != (decoded.contains(key) ? decoded[key].get<std::string>() : strings[i]) && wrong_texts++ == 0) {
        WARN(file << ": text of " << formats::in_quotes(strings[i]));
      }
      if (streamed(*tokenizer, expected[i], whole) != text && wrong_streams++ == 0) {
        WARN(file << ": stream of " << formats::in_quotes(strings[i]));
      }
    }
    INFO(file);
    CHECK(wrong_ids == 0);
    CHECK(wrong_texts == 0);
    CHECK(wrong_streams == 0);
    CHECK(whole);
  }
}

TEST_CASE("a tokenizer survives as text and as file", "[tokenizers]") {
  const auto strings = fuzz_strings();
  for (const std::string& file : tokenizer_files()) {
    INFO(file);
    const auto tokenizer = load_tokenizer(tokenizer_path(file));
    const std::string text = tokenizer->serialize();
    CHECK(well_formed(text));
    const auto copy = parse_tokenizer(text, "metadata");
    CHECK(copy->kind() == tokenizer->kind());
    CHECK(copy->vocab_size() == tokenizer->vocab_size());
    CHECK(copy->serialize() == text);
    for (std::size_t i = 0; i < 100; ++i) CHECK(copy->encode(strings[i]) == tokenizer->encode(strings[i]));
    for (std::int64_t id = 0; id < tokenizer->vocab_size(); ++id) {
      if (const auto found = tokenizer->token_to_id(tokenizer->id_to_token(id))) CHECK(*found == id);
    }
  }
}

TEST_CASE("streams never split a character, whatever the ids", "[tokenizers]") {
  std::uint32_t random = 12345;
  for (const std::string& file : {std::string("gpt2.json"), std::string("llama.json"), std::string("bpe.model"),
                                  std::string("metaspace.json"), std::string("bytes")}) {
    const auto tokenizer = load_tokenizer(file == "bytes" ? file : tokenizer_path(file));
    for (int round = 0; round < 20; ++round) {
      StreamDecoder stream(*tokenizer);
      bool whole = true;
      std::string text;
      std::vector<std::int64_t> ids;
      for (int i = 0; i < 200; ++i) {
        random = random * 1664525 + 1013904223;
        ids.push_back((random >> 8) % tokenizer->vocab_size());
        const std::string piece = stream.push(ids.back());
        whole = whole && well_formed(piece);
        text += piece;
      }
      const std::string rest = stream.flush();
      INFO(file << " round " << round);
      CHECK((whole && well_formed(rest)));
      if (file == "gpt2.json" || file == "bytes") CHECK(text + rest == tokenizer->decode(ids));
    }
  }
}

TEST_CASE("long streams stay equal to the whole", "[tokenizers]") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "retention " + std::to_string(i) + " \xF0\x9F\x98\x80\xE6\xBC\xA2  of the\n";
  for (const char* file : {"gpt2.json", "llama.json", "bpe.model", "llama3.json"}) {
    INFO(file);
    const auto tokenizer = load_tokenizer(tokenizer_path(file));
    const auto ids = tokenizer->encode(text);
    bool whole = true;
    CHECK(streamed(*tokenizer, ids, whole) == tokenizer->decode(ids));
    CHECK(tokenizer->decode(ids) == text);
    CHECK(whole);
  }
}

}  // namespace retentive::models
