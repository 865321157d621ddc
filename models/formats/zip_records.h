#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <models/formats/zip.h>

namespace retentive::models::formats {

/// Where the central directory lies and how many members it lists.
struct ZipDirectory {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t entries = 0;
};

/// Finds the end records, zip64 ones too. Throws CheckpointError naming `file`.
ZipDirectory read_end_of_directory(std::span<const std::byte> bytes, const std::string& file);

/// Reads the directory record at `position`, moves `position` behind it and checks it with its local header.
ZipEntry read_directory_entry(std::span<const std::byte> bytes, const ZipDirectory& directory, std::uint64_t& position,
                              const std::string& file);

}  // namespace retentive::models::formats
