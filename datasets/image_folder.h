#pragma once

#include <filesystem>

#include <datasets/dataset.h>
#include <datasets/image_io.h>
#include <datasets/image_listing.h>

namespace retentive::datasets {

/// `root/<class>/**/<image>`: classes are list_folders(root), sorted by name, numbered from 0.
class RETENTIVE_API ImageFolder : public Dataset {
 public:
  /// Throws DataError when `root` is no folder, has no class folders, or a class folder holds no image.
  explicit ImageFolder(const std::filesystem::path& root, const DecodeOptions& options = {});

  int64_t size() const override;
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  const std::vector<std::string>& class_names() const override;
  std::vector<std::filesystem::path> files() const override;

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
