#pragma once

#include <cstdint>
#include <string>

namespace retentive::apps {

/// 14334216 -> "14,334,216".
inline std::string with_commas(int64_t value) {
  const std::string digits = std::to_string(value);
  const std::size_t first = value < 0 ? 1 : 0;
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > first && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

/// `text` filled with spaces to `width` characters, and never less than one space after it.
inline std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 1, ' ');
}

}  // namespace retentive::apps
