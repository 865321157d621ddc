#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <support/paths.h>
#include <support/process.h>

namespace retentive::testing {

/// Runs the built `retentive` with these arguments.
inline ProcessResult retentive_program(std::vector<std::string> arguments, const std::string& input = "") {
  arguments.insert(arguments.begin(), program_path());
  return run_process(arguments, input);
}

/// The lines of a text without their ends.
inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace retentive::testing
