#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include <retention/base/export.h>

namespace retentive::models::formats {

/// A file that appears whole under its path at commit(), or not at all: written beside it under a temporary name that
/// is removed when the object ends uncommitted. All functions throw CheckpointError with the system's reason.
class RETENTIVE_API AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  /// Flushes to the disk, renames over the path and flushes the directory.
  void commit();

 private:
  [[noreturn]] void fail(const std::string& action, int error) const;
  void sync_directory() const;

  std::filesystem::path path_;
  std::filesystem::path directory_;
  std::filesystem::path temporary_;
  int fd_ = -1;
};

}  // namespace retentive::models::formats
