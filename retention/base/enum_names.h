#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace retentive {

/// Specialise with `static constexpr std::array<std::pair<E, std::string_view>, n> table` to give an enum its names
/// in configuration files, command-line flags and operator schemas.
template <class E>
struct EnumNames;

/// The name of `value`.
template <class E>
std::string_view enum_name(E value) {
  for (const auto& [candidate, name] : EnumNames<E>::table) {
    if (candidate == value) return name;
  }
  return "unknown";
}

/// The value called `name`, or nothing.
template <class E>
std::optional<E> enum_value(std::string_view name) {
  for (const auto& [value, candidate] : EnumNames<E>::table) {
    if (candidate == name) return value;
  }
  return std::nullopt;
}

/// All names as `"a" | "b"`, for messages and help.
template <class E>
std::string enum_choices() {
  std::string text;
  for (const auto& [value, name] : EnumNames<E>::table) {
    text += (text.empty() ? "\"" : " | \"") + std::string(name) + "\"";
  }
  return text;
}

}  // namespace retentive
