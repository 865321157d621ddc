#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace retentive::models::detail {

/// Bytes [begin, end) of a text that a pattern matches.
struct Match {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// A compiled regular expression over UTF-8; may be used by several threads.
class Regex {
 public:
  /// A pattern in PCRE2's syntax. Throws CheckpointError naming `where` when it does not compile.
  explicit Regex(const std::string& pattern, const std::string& where = "built in");

  /// All matches from left to right; an empty one is left out right behind another match. `text` is valid UTF-8.
  /// Throws DataError when the pattern takes more steps than allowed on this text.
  std::vector<Match> find_all(std::string_view text) const;

 private:
  std::shared_ptr<const void> code_;  ///< pcre2_code
  std::string where_;
};

/// Rewrites a pattern of the syntax that tokenizer.json uses (Oniguruma, Ruby flavour) to one of PCRE2 that matches
/// the same. Throws Unsupported naming the construct where the two are not known to agree.
std::string translate_regex(const std::string& pattern, const std::string& where);

}  // namespace retentive::models::detail
