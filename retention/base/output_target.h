#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <retention/base/export.h>

namespace retentive {

/// Where an output path leads once links are followed.
struct RETENTIVE_API OutputTarget {
  enum class Kind {
    file,        ///< a regular file or a name that is free: replaced as a whole
    directory,   ///< nothing that can be written
    device,      ///< also a pipe with a name: opened and written to
    socket,      ///< connected to and written to
    descriptor,  ///< one that the program already has, such as /dev/stdout
  };
  Kind kind = Kind::file;
  std::filesystem::path path;  ///< no link
  int descriptor = -1;
  bool exists = false;
  int error = 0;  ///< of the system, where links lead nowhere; 0 = none

  /// The folder that holds it, never empty.
  std::filesystem::path folder() const;
};

/// Follows links, also one whose target is missing, and descriptors of this program (/dev/stdout, /dev/fd/N).
RETENTIVE_API OutputTarget output_target(const std::filesystem::path& path);

/// Whether writing to `path` loses a regular file; a descriptor of this program, a pipe or a device loses nothing.
RETENTIVE_API bool replaces_file(const std::filesystem::path& path);

/// What makes two names one file: device and inode, or of a file that is still missing its path without links, which
/// stays the same when its folder is made.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  std::string missing;

  auto operator<=>(const FileId&) const = default;
};

/// Of a regular file that is there, links followed; none for anything else.
RETENTIVE_API std::optional<FileId> file_id(const std::filesystem::path& path);

/// Of the regular file that writing to `path` makes or replaces; none for devices, pipes, sockets and descriptors.
RETENTIVE_API std::optional<FileId> output_id(const std::filesystem::path& path);

}  // namespace retentive
