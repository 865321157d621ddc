#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace retentive::models::detail {

/// U+FFFD, what stands for malformed bytes.
inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Bytes of the sequence that starts at `at`: a whole character, or the longest malformed piece that Unicode
/// recommends to replace as one. `complete` tells which.
std::size_t sequence_length(std::string_view text, std::size_t at, bool& complete);

/// `text` with one U+FFFD in place of every malformed piece.
std::string valid_utf8(std::string_view text);

/// The character at `at` of valid UTF-8; moves `at` behind it.
char32_t next_character(std::string_view text, std::size_t& at);

/// The start of the character that ends before `end` (> 0) in valid UTF-8.
std::size_t previous_start(std::string_view text, std::size_t end);

/// Appends the UTF-8 of one character.
void append_character(std::string& text, char32_t character);

}  // namespace retentive::models::detail
