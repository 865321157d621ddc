#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

/// What the reports of all measurements have in common.
namespace retentive::bench {

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char line[256];
  std::snprintf(line, sizeof line, pattern, values...);
  return line;
}

/// Two decimals; what rounds to nothing has no sign.
inline std::string hundredths(double value) {
  const auto text = format("%.2f", value);
  return text == "-0.00" ? "0.00" : text;
}

/// A side for squares, else HEIGHTxWIDTH.
inline std::string size_text(int64_t height, int64_t width) {
  return height == width ? std::to_string(height) : std::to_string(height) + "x" + std::to_string(width);
}

}  // namespace retentive::bench
