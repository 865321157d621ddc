#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <models/tokenizers/detail/components.h>

namespace retentive::models::detail {

/// An entry of added_tokens.
struct AddedToken {
  std::string content;
  std::string pattern;  ///< the content, normalised when `normalized`
  std::int64_t id = 0;
  bool special = false;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = true;
};

/// Reads the list; `where` is that of the list. Does not look at whether ids fit a vocabulary.
std::vector<AddedToken> read_added_tokens(const Json& json, const std::string& where);

/// Finds added tokens in text: of all that match, the leftmost, and of those the longest.
class TokenFinder {
 public:
  /// Keeps references to none of the tokens. Throws CheckpointError when two have one pattern.
  TokenFinder(const std::vector<AddedToken>& tokens, bool normalized, const std::string& where);

  /// Takes pieces apart at the tokens; special ones are passed over unless `match_special`.
  void split(Pieces& pieces, bool match_special) const;

 private:
  /// Index of the longest token at `at`, or -1.
  std::int64_t longest(std::string_view text, std::size_t at) const;

  std::vector<AddedToken> tokens_;
  std::array<bool, 256> starts_{};                          ///< bytes that some token starts with
  std::unordered_map<std::uint64_t, std::uint32_t> edges_;  ///< node * 256 + byte -> node
  std::vector<std::int64_t> ends_ = {-1};                   ///< token that ends at a node
};

}  // namespace retentive::models::detail
