#pragma once

#include <filesystem>
#include <map>
#include <vector>

#include <apps/image_paths.h>
#include <datasets/coco.h>

namespace retentive::apps {

/// Finds the entry of an annotation file that an image file is.
class CocoImages {
 public:
  explicit CocoImages(const datasets::CocoAnnotations& truth);

  /// By the path below the folder that the image was found in; else by the end of its path, where only one "file_name"
  /// fits. Throws DataError when none does, or several.
  const datasets::CocoImage& find(const FoundImage& image) const;

 private:
  struct Entry {
    std::filesystem::path name;
    const datasets::CocoImage* image;
  };

  const datasets::CocoAnnotations& truth_;
  std::map<std::filesystem::path, std::vector<Entry>> by_name_;  ///< last part of "file_name"
};

}  // namespace retentive::apps
