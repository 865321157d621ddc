#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <support/paths.h>
#include <support/process.h>

namespace retentive::testing {

/// `retentive bench` with these arguments.
inline ProcessResult bench(std::vector<std::string> arguments, const std::string& input = "") {
  arguments.insert(arguments.begin(), {program_path(), "bench"});
  return run_process(arguments, input);
}

struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / ("retentive_bench_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return (path / name).string();
  }
  std::filesystem::path path;
};

}  // namespace retentive::testing
