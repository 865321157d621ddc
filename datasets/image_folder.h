#pragma once

#include <filesystem>
#include <functional>

#include <datasets/dataset.h>
#include <datasets/image_io.h>

namespace retentive::datasets {

/// True for the extensions that are taken for images, in any case: .jpg .jpeg .png .webp .bmp .tif .tiff .pgm .ppm
/// .pnm.
RETENTIVE_API bool has_image_extension(const std::filesystem::path& path);

/// All image files below a folder, sorted by path bytes; names beginning with a dot are passed over, and links to
/// folders are not followed. Throws DataError when the folder cannot be read.
RETENTIVE_API std::vector<std::filesystem::path> list_images(const std::filesystem::path& folder);

/// Likewise all files whose path is `wanted`.
RETENTIVE_API std::vector<std::filesystem::path> list_files(
    const std::filesystem::path& folder, const std::function<bool(const std::filesystem::path&)>& wanted);

/// `root/<class>/**/<image>`: classes are the folders of `root`, sorted by name, numbered from 0.
class RETENTIVE_API ImageFolder : public Dataset {
 public:
  /// Throws DataError when `root` is no folder, has no class folders, or a class folder holds no image.
  explicit ImageFolder(const std::filesystem::path& root, const DecodeOptions& options = {});

  int64_t size() const override;
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  const std::vector<std::string>& class_names() const override;

 private:
  struct Entry {
    std::filesystem::path path;
    int64_t label;
  };
  std::vector<Entry> entries_;
  std::vector<std::string> class_names_;
  DecodeOptions options_;
};

}  // namespace retentive::datasets
