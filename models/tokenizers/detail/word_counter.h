#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <models/tokenizers/detail/regex.h>

namespace retentive::models::detail {

using WordCounts = std::unordered_map<std::string, std::int64_t>;

/// Counts the words of texts, split by the pattern of byte-level BPE; special tokens are no words.
class WordCounter {
 public:
  WordCounter(std::vector<std::string> special_tokens, bool add_prefix_space);

  /// Malformed UTF-8 counts as U+FFFD.
  void add(std::string_view text);
  WordCounts take() { return std::move(counts_); }

 private:
  void add_plain(std::string_view text);
  void count(std::string_view text);

  bool add_prefix_space_;
  Regex words_;
  std::optional<Regex> special_;
  WordCounts counts_;
};

}  // namespace retentive::models::detail
