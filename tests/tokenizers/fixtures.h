#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <support/fixture_file.h>

namespace retentive::testing {

/// Where fixture tokenizers are: "gpt2.json" -> path.
inline std::string tokenizer_path(const std::string& file) { return fixture_path("tokenizers/" + file); }

inline std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Every fixture tokenizer.
inline std::vector<std::string> tokenizer_files() {
  return {"gpt2.json",  "llama.json",  "llama3.json",   "neox.json", "metaspace.json",
          "words.json", "splits.json", "unigram.model", "bpe.model"};
}

template <class T>
T take_number(const std::string& data, std::size_t& at) {
  T value{};
  if (at + sizeof value > data.size()) throw std::runtime_error("fixture ends too soon");
  std::memcpy(&value, data.data() + at, sizeof value);
  at += sizeof value;
  return value;
}

/// The fuzz strings, some of them malformed UTF-8.
inline std::vector<std::string> fuzz_strings() {
  const std::string data = file_text(tokenizer_path("strings.bin"));
  std::vector<std::string> strings;
  for (std::size_t at = 0; at < data.size();) {
    const auto size = take_number<std::uint32_t>(data, at);
    strings.push_back(data.substr(at, size));
    at += size;
  }
  return strings;
}

/// The ids that the original library gives for each fuzz string.
inline std::vector<std::vector<std::int64_t>> expected_ids(const std::string& name) {
  const std::string data = file_text(tokenizer_path(name + ".ids"));
  std::vector<std::vector<std::int64_t>> all;
  for (std::size_t at = 0; at < data.size();) {
    std::vector<std::int64_t> ids(take_number<std::uint16_t>(data, at));
    for (auto& id : ids) id = take_number<std::uint16_t>(data, at);
    all.push_back(std::move(ids));
  }
  return all;
}

/// "gpt2.json" -> "gpt2"
inline std::string stem_of(const std::string& file) { return file.substr(0, file.rfind('.')); }

}  // namespace retentive::testing
