#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace retentive::models::formats {

/// A regular file mapped read-only; unmapped with the object. An empty file has no bytes and no mapping.
class MappedFile {
 public:
  /// Throws CheckpointError naming the path and the system's reason.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace retentive::models::formats
