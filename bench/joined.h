#pragma once

#include <string>

namespace retentive::bench {

/// text(value) of every value, with commas, as flags take it.
template <class Values, class Text>
std::string joined(const Values& values, const Text& text) {
  std::string list;
  for (const auto& value : values) list += (list.empty() ? "" : ",") + std::string(text(value));
  return list;
}

}  // namespace retentive::bench
