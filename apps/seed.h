#pragma once

#include <charconv>
#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

namespace retentive::apps {

/// Refuses what is no seed: the conversion of CLI11 takes negative numbers and names no limit.
inline CLI::Validator seed_check() {
  return {[](std::string& text) -> std::string {
            uint64_t seed = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
            if (error == std::errc() && end == text.data() + text.size()) {
              text = std::to_string(seed);  // or 010 would be read as octal
              return {};
            }
            return "\"" + text + "\" is no seed; whole numbers from 0 to 18446744073709551615 (2^64 - 1) are accepted";
          },
          ""};
}

}  // namespace retentive::apps
