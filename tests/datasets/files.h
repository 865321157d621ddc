#pragma once

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <retention/base/error.h>
#include <vision/structures.h>

#include <support/paths.h>
#include <nlohmann/json.hpp>

namespace retentive::testing {

inline std::filesystem::path image_fixture(const std::string& name) {
  return std::filesystem::path(source_dir()) / "tests/fixtures/images" / name;
}

inline std::vector<uint8_t> read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw DataError("[test] " + path.string() + " is missing");
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_bytes(const std::filesystem::path& path, const std::vector<uint8_t>& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline nlohmann::json image_manifest() { return nlohmann::json::parse(std::ifstream(image_fixture("manifest.json"))); }

/// An image of random pixels, the same for the same arguments.
inline vision::Image noise_image(int64_t height, int64_t width, int64_t channels, uint32_t seed) {
  vision::Image image{height, width, channels, std::vector<uint8_t>(height * width * channels)};
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>((seed = seed * 1664525u + 1013904223u) >> 24);
  return image;
}

/// A folder of its own that disappears with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "retentive-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw DataError("[test] no temporary folder");
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The message of the `Expected` that `call` throws; "nothing thrown" or the other type's message otherwise.
template <class Expected, class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Expected& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("another type: ") + error.what();
  }
  return "nothing thrown";
}

}  // namespace retentive::testing
