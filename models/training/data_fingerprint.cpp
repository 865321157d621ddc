#include <models/training/data_fingerprint.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <span>

#include <models/sha256.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kBlock = 16384;
constexpr int64_t kMaxBlocks = 65536;  // 1 GiB: seconds, whatever the size of the set

std::string hash_of(std::span<const char> text) { return sha256_hex(std::as_bytes(text)); }

std::string line(size_t files, int64_t bytes, const std::string& list) {
  return std::to_string(files) + (files == 1 ? " file, " : " files, ") + std::to_string(bytes) + " bytes, SHA-256 " +
         hash_of(list);
}

[[noreturn]] void refuse(const fs::path& path) {
  throw DataError("[train] \"" + path.string() + "\" cannot be read; a readable file is needed; check the data");
}

int64_t size_of(const fs::path& path) {
  std::error_code failure;
  const auto size = fs::file_size(path, failure);
  if (failure) refuse(path);
  return static_cast<int64_t>(size);
}

// Which blocks of a set are read: all of them, or kMaxBlocks at even distances, the first and the last among them.
class BlockSample {
 public:
  explicit BlockSample(int64_t blocks) : blocks_(blocks) {}

  /// Hashes the sampled blocks of the next file, which has `size` bytes.
  std::string hash(const fs::path& path, int64_t size) {
    const int64_t end = begin_ + blocks_of(size);
    std::string hashes;
    std::ifstream file;
    std::vector<char> block(kBlock);
    for (; next_ < std::min(blocks_, kMaxBlocks) && position() < end; ++next_) {
      if (!file.is_open()) file.open(path, std::ios::binary);
      const int64_t offset = (position() - begin_) * kBlock, length = std::min(kBlock, size - offset);
      if (!file.seekg(offset) || !file.read(block.data(), length)) refuse(path);
      hashes += hash_of({block.data(), static_cast<size_t>(length)});
    }
    begin_ = end;
    return hash_of(hashes);
  }

  static int64_t blocks_of(int64_t size) { return (size + kBlock - 1) / kBlock; }

 private:
  int64_t position() const { return blocks_ <= kMaxBlocks ? next_ : next_ * (blocks_ - 1) / (kMaxBlocks - 1); }

  int64_t blocks_;     // of the whole set
  int64_t begin_ = 0;  // of the file
  int64_t next_ = 0;   // sampled block
};

}  // namespace

std::string fingerprint_files(const fs::path& root, const std::vector<fs::path>& files) {
  std::vector<int64_t> sizes;
  int64_t bytes = 0, blocks = 0;
  for (const auto& file : files) {
    sizes.push_back(size_of(file));
    bytes += sizes.back();
    blocks += BlockSample::blocks_of(sizes.back());
  }
  BlockSample sample(blocks);
  std::string list;
  for (size_t i = 0; i < files.size(); ++i) {
    list += files[i].lexically_relative(root).generic_string() + " " + std::to_string(sizes[i]) + " " +
            sample.hash(files[i], sizes[i]) + "\n";
  }
  return line(files.size(), bytes, list);
}

std::string fingerprint_texts(const std::vector<datasets::Document>& documents) {
  int64_t bytes = 0;
  std::string list;
  for (const auto& [name, text] : documents) {
    bytes += static_cast<int64_t>(text.size());
    list += name + " " + std::to_string(text.size()) + " " + hash_of(text) + "\n";
  }
  return line(documents.size(), bytes, list);
}

}  // namespace retentive::models
