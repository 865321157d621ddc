#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

namespace retentive::datasets::detail {

/// A text file that appears whole under its path at commit(), or not at all: it is written beside it under a name that
/// goes away with the object. All functions throw DataError "[where] <path> ...".
class WholeFile {
 public:
  WholeFile(std::filesystem::path path, std::string where);
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  void write(std::string_view text);
  void commit();

 private:
  [[noreturn]] void fail() const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::string where_;
  std::FILE* file_ = nullptr;
};

}  // namespace retentive::datasets::detail
