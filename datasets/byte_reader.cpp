#include <algorithm>

#include <datasets/detail/byte_reader.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

constexpr size_t kPage = 4096;

}  // namespace

std::ifstream open_regular_file(const std::filesystem::path& path, const char* where, uint64_t& size) {
  const auto refuse = [&](const std::string& what) {
    throw DataError(std::string("[") + where + "] " + path.string() + " " + what);
  };
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) refuse("does not exist; give the path of a file");
  if (error) refuse("cannot be reached (" + error.message() + "); check its permissions");
  if (std::filesystem::is_directory(status)) refuse("is a folder where a file is expected; name the files in it");
  if (!std::filesystem::is_regular_file(status)) refuse("is not a regular file; copy its contents into a file first");
  std::ifstream file(path, std::ios::binary);
  size = file ? std::filesystem::file_size(path, error) : 0;
  if (!file || error) refuse("cannot be opened; check its permissions");
  if (size == 0) refuse("is empty (0 bytes); replace or remove the file");
  return file;
}

ByteReader::ByteReader(std::span<const uint8_t> bytes, std::string name)
    : name_(std::move(name)), bytes_(bytes), size_(bytes.size()) {
  if (bytes.empty()) throw DataError("[image] " + name_ + " is empty (0 bytes); replace or remove the file");
}

ByteReader::ByteReader(const std::filesystem::path& path) : name_(path.string()) {
  file_ = open_regular_file(path, "image", size_);
}

std::span<const uint8_t> ByteReader::at(uint64_t offset, size_t count) {
  if (offset > size_ || count > size_ - offset) {
    fail("is truncated: byte " + std::to_string(offset + count) + " is needed but the file has " +
         std::to_string(size_) + " bytes; replace it by a complete copy");
  }
  if (!file_.is_open()) return bytes_.subspan(offset, count);
  if (offset < page_offset_ || offset + count > page_offset_ + page_.size()) {
    page_.resize(std::min<uint64_t>(std::max(count, kPage), size_ - offset));
    page_offset_ = offset;
    copied_until_ = UINT64_MAX;
    file_.seekg(static_cast<std::streamoff>(offset));
    if (!file_.read(reinterpret_cast<char*>(page_.data()), static_cast<std::streamsize>(page_.size()))) {
      fail("cannot be read at byte " + std::to_string(offset) + "; check the disk or copy the file again");
    }
  }
  return std::span<const uint8_t>(page_).subspan(offset - page_offset_, count);
}

uint16_t ByteReader::u16(uint64_t offset, bool little) {
  const auto b = at(offset, 2);
  return static_cast<uint16_t>(little ? b[0] | b[1] << 8 : b[0] << 8 | b[1]);
}

uint32_t ByteReader::u24(uint64_t offset, bool little) {
  const auto b = at(offset, 3);
  return static_cast<uint32_t>(little ? b[0] | b[1] << 8 | b[2] << 16 : b[0] << 16 | b[1] << 8 | b[2]);
}

uint32_t ByteReader::u32(uint64_t offset, bool little) {
  const uint32_t first = u16(offset, little);
  const uint32_t second = u16(offset + 2, little);
  return little ? first | second << 16 : first << 16 | second;
}

uint64_t ByteReader::u64(uint64_t offset, bool little) {
  const uint64_t first = u32(offset, little);
  const uint64_t second = u32(offset + 4, little);
  return little ? first | second << 32 : first << 32 | second;
}

bool ByteReader::matches(uint64_t offset, const char* text, size_t count) {
  if (offset > size_ || count > size_ - offset) return false;
  return std::equal(text, text + count, at(offset, count).begin(),
                    [](char expected, uint8_t byte) { return static_cast<uint8_t>(expected) == byte; });
}

size_t ByteReader::copy(uint64_t offset, uint8_t* out, size_t count) noexcept {
  if (offset >= size_) return 0;
  count = static_cast<size_t>(std::min<uint64_t>(count, size_ - offset));
  if (!file_.is_open()) {
    std::copy_n(bytes_.data() + offset, count, out);
    return count;
  }
  file_.clear();
  if (offset != copied_until_) file_.seekg(static_cast<std::streamoff>(offset));
  file_.read(reinterpret_cast<char*>(out), static_cast<std::streamsize>(count));
  count = static_cast<size_t>(file_.gcount());
  copied_until_ = offset + count;
  return count;
}

void ByteReader::fail(const std::string& what) const { throw DataError("[image] " + name_ + " " + what); }

}  // namespace retentive::datasets::detail
