#include <models/formats/zip_records.h>

#include <algorithm>
#include <optional>

#include <models/formats/little_endian.h>
#include <models/formats/message.h>

namespace retentive::models::formats {
namespace {

constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kLocatorSignature = 0x07064b50;
constexpr std::uint32_t kEntrySignature = 0x02014b50;
constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kEnd64Size = 56;
constexpr std::size_t kLocatorSize = 20;
constexpr std::size_t kEntrySize = 46;
constexpr std::size_t kLocalSize = 30;
constexpr std::uint16_t kEncryptedFlags = 1 | 1 << 6 | 1 << 13;
constexpr std::uint16_t kSizesFollowFlag = 1 << 3;
constexpr std::uint32_t kIn64 = 0xffffffff;

[[noreturn]] void fail(const std::string& file, const std::string& what) { fail_checkpoint("zip", file, what); }

[[noreturn]] void fail_damaged(const std::string& file, const std::string& what) {
  fail(file, what + "; the archive is truncated or damaged, get it again");
}

std::uint64_t find_end_record(std::span<const std::byte> bytes, const std::string& file) {
  constexpr std::size_t kLongestComment = 0xffff;
  if (bytes.size() >= kEndSize) {
    const std::size_t last = bytes.size() - kEndSize;
    const std::size_t first = last > kLongestComment ? last - kLongestComment : 0;
    for (std::size_t at = last + 1; at-- > first;) {
      const bool matches = load<std::uint32_t>(bytes, at) == kEndSignature;
      if (matches && load<std::uint16_t>(bytes, at + 20) == last - at) return at;
    }
  }
  fail_damaged(file, "no end-of-directory record in " + std::to_string(bytes.size()) + " bytes");
}

ZipDirectory read_end64(std::span<const std::byte> bytes, std::uint64_t end, const std::string& file) {
  const auto at = load<std::uint64_t>(bytes, end - kLocatorSize + 8);
  if (load<std::uint32_t>(bytes, end - kLocatorSize + 4) != 0 || load<std::uint32_t>(bytes, end - 4) > 1) {
    fail(file, "is one part of a multi-disk archive; only whole archives are read; join the parts first");
  }
  if (!in_bounds(at, kEnd64Size, end - kLocatorSize) || load<std::uint32_t>(bytes, at) != kEnd64Signature) {
    fail_damaged(file, "no zip64 end record at byte " + std::to_string(at));
  }
  const auto body = load<std::uint64_t>(bytes, at + 4);
  if (!in_bounds(at + 12, body, end - kLocatorSize) || at + 12 + body != end - kLocatorSize) {
    fail_damaged(file, "the zip64 end record says it has " + std::to_string(body) + " bytes");
  }
  const ZipDirectory directory{load<std::uint64_t>(bytes, at + 48), load<std::uint64_t>(bytes, at + 40),
                               load<std::uint64_t>(bytes, at + 32)};
  const bool one_disk = load<std::uint32_t>(bytes, at + 16) == 0 && load<std::uint32_t>(bytes, at + 20) == 0;
  if (!one_disk || load<std::uint64_t>(bytes, at + 24) != directory.entries) {
    fail(file, "is one part of a multi-disk archive; only whole archives are read; join the parts first");
  }
  if (!in_bounds(directory.offset, directory.size, at) || directory.offset + directory.size != at) {
    fail_damaged(file, "the directory does not end at its zip64 end record, byte " + std::to_string(at));
  }
  return directory;
}

// A 32-bit field of the end record either repeats the zip64 value or is all ones.
bool agrees(std::uint64_t narrow, std::uint64_t all_ones, std::uint64_t wide) {
  return narrow == wide || narrow == all_ones;
}

struct Zip64Fields {
  std::span<const std::byte> extra;
  std::size_t position = 0;
  std::size_t end = 0;

  std::optional<std::uint64_t> next() {
    if (end - position < 8) return std::nullopt;
    position += 8;
    return load<std::uint64_t>(extra, position - 8);
  }
};

std::optional<Zip64Fields> find_zip64(std::span<const std::byte> extra) {
  for (std::size_t at = 0; extra.size() - at >= 4;) {
    const std::size_t size = load<std::uint16_t>(extra, at + 2);
    if (size > extra.size() - at - 4) return std::nullopt;
    if (load<std::uint16_t>(extra, at) == 1) return Zip64Fields{extra, at + 4, at + 4 + size};
    at += 4 + size;
  }
  return std::nullopt;
}

struct Sizes {
  std::uint64_t compressed = 0;
  std::uint64_t full = 0;
  std::uint64_t header_offset = 0;
};

// Values of all ones stand in the zip64 extra field instead, in this order.
std::optional<Sizes> widen(Sizes sizes, std::span<const std::byte> extra) {
  auto fields = find_zip64(extra);
  for (std::uint64_t* value : {&sizes.full, &sizes.compressed, &sizes.header_offset}) {
    if (*value != kIn64) continue;
    const auto wide = fields ? fields->next() : std::nullopt;
    if (!wide) return std::nullopt;
    *value = *wide;
  }
  return sizes;
}

std::string_view text(std::span<const std::byte> bytes, std::uint64_t offset, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes.data()) + offset, size};
}

void check_local_header(std::span<const std::byte> bytes, const ZipDirectory& directory, std::uint16_t flags,
                        ZipEntry& entry, const std::string& file) {
  const std::uint64_t at = entry.header_offset;
  const std::string member = "member " + in_quotes(entry.name);
  if (!in_bounds(at, kLocalSize, directory.offset) || load<std::uint32_t>(bytes, at) != kLocalSignature) {
    fail_damaged(file, member + " has no local header at byte " + std::to_string(at));
  }
  const std::size_t name_size = load<std::uint16_t>(bytes, at + 26);
  const std::size_t extra_size = load<std::uint16_t>(bytes, at + 28);
  if (!in_bounds(at + kLocalSize, name_size + extra_size, directory.offset)) {
    fail_damaged(file, member + " has a local header that leaves the archive");
  }
  entry.data_offset = at + kLocalSize + name_size + extra_size;
  if (!in_bounds(entry.data_offset, entry.stored_size, directory.offset)) {
    fail_damaged(file, member + " has " + std::to_string(entry.stored_size) + " bytes at byte " +
                           std::to_string(entry.data_offset) + ", beyond the start of the directory");
  }
  const Sizes narrow{load<std::uint32_t>(bytes, at + 18), load<std::uint32_t>(bytes, at + 22), 0};
  const auto sizes = widen(narrow, bytes.subspan(at + kLocalSize + name_size, extra_size));
  const auto crc = load<std::uint32_t>(bytes, at + 14);
  const bool later = (flags & kSizesFollowFlag) != 0 && crc == 0 && narrow.compressed == 0 && narrow.full == 0;
  const bool same_sizes =
      sizes && sizes->compressed == entry.stored_size && sizes->full == entry.size && crc == entry.crc32;
  if (text(bytes, at + kLocalSize, name_size) != entry.name || load<std::uint16_t>(bytes, at + 6) != flags ||
      load<std::uint16_t>(bytes, at + 8) != entry.method || !(later || same_sizes)) {
    fail_damaged(file, member + " has a local header that contradicts the directory");
  }
}

}  // namespace

ZipDirectory read_end_of_directory(std::span<const std::byte> bytes, const std::string& file) {
  const std::uint64_t end = find_end_record(bytes, file);
  const std::uint64_t entries = load<std::uint16_t>(bytes, end + 10);
  const std::uint64_t size = load<std::uint32_t>(bytes, end + 12);
  const std::uint64_t offset = load<std::uint32_t>(bytes, end + 16);
  if (load<std::uint16_t>(bytes, end + 4) != 0 || load<std::uint16_t>(bytes, end + 6) != 0 ||
      load<std::uint16_t>(bytes, end + 8) != entries) {
    fail(file, "is one part of a multi-disk archive; only whole archives are read; join the parts first");
  }
  if (end >= kLocatorSize && load<std::uint32_t>(bytes, end - kLocatorSize) == kLocatorSignature) {
    const ZipDirectory directory = read_end64(bytes, end, file);
    if (!agrees(entries, 0xffff, directory.entries) || !agrees(size, kIn64, directory.size) ||
        !agrees(offset, kIn64, directory.offset)) {
      fail_damaged(file, "the two end-of-directory records contradict each other");
    }
    return directory;
  }
  if (!in_bounds(offset, size, end) || offset + size != end) {
    fail_damaged(file, "the directory does not end at its end record, byte " + std::to_string(end));
  }
  return {offset, size, entries};
}

ZipEntry read_directory_entry(std::span<const std::byte> bytes, const ZipDirectory& directory, std::uint64_t& position,
                              const std::string& file) {
  const std::uint64_t at = position;
  const std::uint64_t limit = directory.offset + directory.size;
  if (!in_bounds(at, kEntrySize, limit) || load<std::uint32_t>(bytes, at) != kEntrySignature) {
    fail_damaged(file, "no directory record at byte " + std::to_string(at));
  }
  const std::size_t name_size = load<std::uint16_t>(bytes, at + 28);
  const std::size_t extra_size = load<std::uint16_t>(bytes, at + 30);
  const std::size_t record = kEntrySize + name_size + extra_size + load<std::uint16_t>(bytes, at + 32);
  if (!in_bounds(at, record, limit))
    fail_damaged(file, "the directory record at byte " + std::to_string(at) + " is cut");
  position += record;
  ZipEntry entry;
  entry.name = text(bytes, at + kEntrySize, name_size);
  const std::string member = "member " + in_quotes(entry.name);
  const auto flags = load<std::uint16_t>(bytes, at + 8);
  const auto method = load<std::uint16_t>(bytes, at + 10);
  if ((flags & kEncryptedFlags) != 0) fail(file, member + " is encrypted; decrypt the archive first");
  const Sizes narrow{load<std::uint32_t>(bytes, at + 20), load<std::uint32_t>(bytes, at + 24),
                     load<std::uint32_t>(bytes, at + 42)};
  const auto sizes = widen(narrow, bytes.subspan(at + kEntrySize + name_size, extra_size));
  if (entry.name.empty() || !sizes || (method == 0 && sizes->compressed != sizes->full) ||
      load<std::uint16_t>(bytes, at + 34) != 0) {
    fail_damaged(file, member + " has a directory record with impossible values");
  }
  entry.size = sizes->full;
  entry.stored_size = sizes->compressed;
  entry.method = method;
  entry.header_offset = sizes->header_offset;
  entry.crc32 = load<std::uint32_t>(bytes, at + 16);
  check_local_header(bytes, directory, flags, entry, file);
  return entry;
}

}  // namespace retentive::models::formats
