#include <algorithm>
#include <array>
#include <cctype>

#include <datasets/image_folder.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace fs = std::filesystem;

namespace {

void require_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return;
  throw DataError("[image folder] " + folder.string() + " is not a folder; give the folder that holds the images");
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

using Filter = std::function<bool(const fs::path&)>;

void collect(const fs::path& folder, const Filter& wanted, std::vector<fs::path>& found) {
  for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::recursive_directory_iterator(); ++entry) {
    if (is_hidden(entry->path())) {
      entry.disable_recursion_pending();
    } else if (wanted(entry->path()) && entry->is_regular_file()) {
      found.push_back(entry->path());
    }
  }
}

std::vector<fs::path> class_folders(const fs::path& root) {
  require_folder(root);
  std::vector<fs::path> folders;
  try {
    for (const auto& entry : fs::directory_iterator(root)) {
      if (entry.is_directory() && !is_hidden(entry.path())) folders.push_back(entry.path());
    }
  } catch (const fs::filesystem_error& error) {
    throw DataError("[image folder] " + root.string() + " cannot be listed (" + error.code().message() +
                    "); check its permissions");
  }
  if (folders.empty()) {
    throw DataError("[image folder] " + root.string() +
                    " holds no class folders; one folder per class with its images inside is expected");
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

}  // namespace

bool has_image_extension(const fs::path& path) {
  static constexpr std::array<const char*, 10> kExtensions = {".jpg", ".jpeg", ".png", ".webp", ".bmp",
                                                              ".tif", ".tiff", ".pgm", ".ppm",  ".pnm"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::vector<fs::path> list_images(const fs::path& folder) { return list_files(folder, has_image_extension); }

std::vector<fs::path> list_files(const fs::path& folder, const Filter& wanted) {
  require_folder(folder);
  std::vector<fs::path> found;
  try {
    collect(folder, wanted, found);
  } catch (const fs::filesystem_error& error) {
    throw DataError("[image folder] " + error.path1().string() + " cannot be listed (" + error.code().message() +
                    "); check its permissions");
  }
  std::sort(found.begin(), found.end());
  return found;
}

ImageFolder::ImageFolder(const fs::path& root, const DecodeOptions& options) : options_(options) {
  for (const fs::path& folder : class_folders(root)) {
    const std::vector<fs::path> images = list_images(folder);
    if (images.empty()) {
      throw DataError("[image folder] class folder " + folder.string() +
                      " holds no image (.jpg .jpeg .png .webp .bmp .tif .tiff .pgm .ppm .pnm); add some or remove it");
    }
    const int64_t label = static_cast<int64_t>(class_names_.size());
    for (const fs::path& image : images) entries_.push_back({image, label});
    class_names_.push_back(folder.filename().string());
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

}  // namespace retentive::datasets
