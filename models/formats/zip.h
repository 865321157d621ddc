#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <retention/base/export.h>

namespace retentive::models::formats {

/// One member of a zip archive.
struct ZipEntry {
  std::string name;
  std::uint64_t header_offset = 0;  ///< of its local header, bytes from the start of the file
  std::uint64_t data_offset = 0;    ///< of its content
  std::uint64_t size = 0;           ///< bytes of content
  std::uint64_t stored_size = 0;    ///< bytes it takes in the file
  std::uint32_t crc32 = 0;
  std::uint16_t method = 0;  ///< 0 = stored; every other value is a compression, which is not read
};

/// A zip archive of stored (uncompressed) members, zip64 included, as PyTorch writes them.
///
/// The whole directory is checked when opened: bounds, agreement of each local header with the directory, overlap,
/// duplicate names; encrypted members and multi-disk archives are refused. Compressed members are listed, so that the
/// kind of an archive can be told, but not read. CheckpointError names file and member.
class RETENTIVE_API ZipArchive {
 public:
  /// Maps a regular file read-only. Throws CheckpointError.
  static ZipArchive open(const std::filesystem::path& path);

  /// Reads an image in memory that outlives the result; `name` stands for the path in messages.
  static ZipArchive from_bytes(std::span<const std::byte> bytes, std::string name);

  const std::string& name() const noexcept { return name_; }
  std::uint64_t file_size() const noexcept { return bytes_.size(); }

  /// Members in directory order.
  const std::vector<ZipEntry>& entries() const noexcept { return entries_; }

  /// The member of that name, or null.
  const ZipEntry* find(std::string_view entry_name) const noexcept;

  /// The content of one of entries(); its CRC-32 is verified, once per member. Throws CheckpointError.
  /// Several threads may read one archive.
  std::span<const std::byte> read(const ZipEntry& entry) const;

  /// Throws CheckpointError when the member is compressed.
  void require_stored(const ZipEntry& entry) const;

  /// False when every recorded checksum is zero: PyTorch can be told to leave them out, and nothing is verified then.
  bool has_checksums() const noexcept { return has_checksums_; }

  /// Keeps the content alive after this object is gone; null for from_bytes().
  std::shared_ptr<const void> owner() const noexcept { return owner_; }

 private:
  struct Verified;
  ZipArchive() = default;
  void load_directory();

  std::string name_;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
  std::vector<ZipEntry> entries_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::shared_ptr<Verified> verified_;
  bool has_checksums_ = true;
};

}  // namespace retentive::models::formats
