#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <models/tokenizers/detail/fields_json.h>
#include <models/tokenizers/detail/regex.h>

namespace retentive::models::detail {

/// A part of a text; the spans of a text cover it without gaps.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool match = false;
};

/// Cuts a text into what matches and what lies between; an empty text is one span without a match.
using Pattern = std::function<std::vector<Span>(std::string_view)>;

Pattern regex_pattern(Regex regex);
Pattern literal_pattern(std::string literal);
/// Every character for which the predicate holds is a match of its own.
Pattern character_pattern(std::function<bool(char32_t)> predicate);
Pattern inverted(Pattern pattern);

/// Reads {"String": text} or {"Regex": pattern}.
Pattern read_pattern(const Json& json, const std::string& where);

/// What becomes of the matches when a text is split at them.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

SplitBehavior read_behavior(const std::string& name, const std::string& where);

/// The spans that remain as pieces of their own.
std::vector<Span> split(std::vector<Span> spans, SplitBehavior behavior);

}  // namespace retentive::models::detail
