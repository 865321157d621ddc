#pragma once

#include <cstdint>
#include <string>

namespace retentive::apps {

/// 14334216 -> "14,334,216".
inline std::string with_commas(int64_t value) {
  std::string text = std::to_string(value);
  const int64_t first = value < 0 ? 1 : 0;
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > first; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

/// `text` filled with spaces to `width` characters, and never less than one space after it.
inline std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 1, ' ');
}

}  // namespace retentive::apps
