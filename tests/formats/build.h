#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

#include <models/formats/safetensors.h>
#include <retention/base/error.h>
#include <support/catch.h>

namespace retentive::models::formats::testing {

/// The number as little-endian bytes.
template <typename T>
std::string le(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename T>
std::vector<T> values_of(std::span<const std::byte> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view content);
/// Path below tests/fixtures/.
std::filesystem::path fixture(const std::string& name);

/// Length, header and data of a safetensors file, right or wrong.
std::string safetensors_image(const std::string& header, const std::string& data);

/// A member of a zip archive to build; the later fields make it wrong.
struct ZipMember {
  std::string name;
  std::string content;
  bool wide = false;  ///< sizes and offset in zip64 extra fields
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::string local_name = {};  ///< another name in the local header
  std::uint32_t crc_change = 0;
  std::int32_t offset_change = 0;
  std::uint32_t size_change = 0;
};

/// The end of a zip archive.
struct ZipEnd {
  bool wide = false;
  std::uint16_t disk = 0;
  int entries_change = 0;
  std::string comment = {};
};

std::string zip_image(const std::vector<ZipMember>& members, const ZipEnd& end = {});

/// A checkpoint with this pickle and the storages among `more` (named from `x/`); checksums are right.
std::string pth_image(const std::string& pickle, const std::vector<ZipMember>& more = {});

/// Pieces of a pickle of protocol 2.
std::string pickle_text(std::string_view text);
std::string pickle_ints(const std::vector<std::int32_t>& values);
std::string pickle_tensor(const std::string& storage_type, const std::string& key, std::int32_t storage_numel,
                          std::int32_t offset, const std::vector<std::int32_t>& shape,
                          const std::vector<std::int32_t>& strides);

/// A new directory, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }
  std::size_t files() const;

 private:
  std::filesystem::path path_;
};

/// The message of the error that the action throws, of exactly type E; fails the test when it throws none.
template <typename E, typename Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const E& error) {
    REQUIRE(typeid(error) == typeid(E));
    return error.what();
  }
  FAIL("no error was thrown");
  return {};
}

}  // namespace retentive::models::formats::testing
