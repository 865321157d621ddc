#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace retentive::datasets::detail {

/// Random access to a file or to memory; reads from a file go through one small page, so that walking over a large
/// file stays cheap. Reading past the end throws DataError ("truncated").
class ByteReader {
 public:
  ByteReader(std::span<const uint8_t> bytes, std::string name);
  /// Throws DataError when the path is missing, no regular file, empty or unreadable.
  explicit ByteReader(const std::filesystem::path& path);

  uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }

  /// `count` <= 4096 bytes from `offset`, valid until the next call.
  std::span<const uint8_t> at(uint64_t offset, size_t count);
  uint8_t u8(uint64_t offset) { return at(offset, 1)[0]; }
  uint16_t u16(uint64_t offset, bool little);
  uint32_t u24(uint64_t offset, bool little);
  uint32_t u32(uint64_t offset, bool little);
  uint64_t u64(uint64_t offset, bool little);
  bool matches(uint64_t offset, const char* text, size_t count);

  /// As many of `count` bytes from `offset` as there are; for the callbacks of C libraries.
  size_t copy(uint64_t offset, uint8_t* out, size_t count) noexcept;

  /// DataError "[image] <name> <what>".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::string name_;
  std::span<const uint8_t> bytes_;
  std::ifstream file_;
  std::vector<uint8_t> page_;
  uint64_t page_offset_ = 0;
  uint64_t copied_until_ = UINT64_MAX;  // where the file stands after copy()
  uint64_t size_ = 0;
};

/// Opens for reading with the same checks; the messages begin with [where] and name the path.
std::ifstream open_regular_file(const std::filesystem::path& path, const char* where, uint64_t& size);

}  // namespace retentive::datasets::detail
