#include <datasets/image_folder.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace fs = std::filesystem;

ImageFolder::ImageFolder(const fs::path& root, const DecodeOptions& options) : options_(options) {
  const auto folders = list_folders(root);
  if (folders.empty()) {
    throw DataError("[image folder] " + root.string() +
                    " holds no class folders; one folder per class with its images inside is expected");
  }
  const auto images = list_images_by_folder(folders, root);
  for (size_t label = 0; label < folders.size(); ++label) {
    if (images[label].empty()) {
      throw DataError(
          "[image folder] class folder " + folders[label].string() +
          " holds no image (.jpg .jpeg .png .webp .gif .bmp .tif .tiff .pbm .pgm .ppm .pnm); add some or remove it");
    }
    for (const fs::path& image : images[label]) entries_.push_back({image, static_cast<int64_t>(label)});
    class_names_.push_back(folders[label].filename().string());
  }
}

int64_t ImageFolder::size() const { return static_cast<int64_t>(entries_.size()); }

Sample ImageFolder::get(int64_t index) const {
  check_index(index, "image folder");
  const Entry& entry = entries_[index];
  return {decode_image(entry.path, options_), entry.label, entry.path.string()};
}

int64_t ImageFolder::label(int64_t index) const {
  check_index(index, "image folder");
  return entries_[index].label;
}

const std::vector<std::string>& ImageFolder::class_names() const { return class_names_; }

std::vector<fs::path> ImageFolder::files() const {
  std::vector<fs::path> paths;
  for (const Entry& entry : entries_) paths.push_back(entry.path);
  return paths;
}

}  // namespace retentive::datasets
