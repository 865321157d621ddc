#pragma once

#include <filesystem>

#include <datasets/dataset.h>

namespace retentive::datasets {

/// Grey images and labels in the idx format of MNIST (idx3-ubyte and idx1-ubyte), plain or gzip-compressed.
class RETENTIVE_API Mnist : public Dataset {
 public:
  /// Reads both files into memory and checks magic numbers, lengths and labels; no `class_names` means "0" to "9".
  /// Throws DataError for files that are damaged or do not belong together.
  Mnist(const std::filesystem::path& images, const std::filesystem::path& labels,
        std::vector<std::string> class_names = {});

  int64_t size() const override;
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  const std::vector<std::string>& class_names() const override;
  std::vector<std::filesystem::path> files() const override;

 private:
  std::string name_;
  std::vector<std::filesystem::path> files_;
  int64_t height_ = 0;
  int64_t width_ = 0;
  std::vector<uint8_t> pixels_;  // [size, height, width]
  std::vector<uint8_t> labels_;  // [size]
  std::vector<std::string> class_names_;
};

/// Writes grey images of one size and labels 0-255 as idx files; a path ending in `.gz` is compressed.
/// Throws InvalidArgument for sizes, channels or labels that idx cannot hold, DataError when writing fails.
RETENTIVE_API void write_idx(const std::filesystem::path& images_path, const std::filesystem::path& labels_path,
                             const std::vector<Image>& images, const std::vector<int64_t>& labels);

}  // namespace retentive::datasets
