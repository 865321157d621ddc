#pragma once

#include <string_view>

namespace retentive {

/// A text without the UTF-8 byte order mark that some editors put in front. Every text file that people edit goes
/// through here; prompts and training text keep theirs.
constexpr std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

}  // namespace retentive
