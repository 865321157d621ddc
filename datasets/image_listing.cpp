#include <datasets/image_listing.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <retention/base/error.h>

namespace retentive::datasets {

namespace fs = std::filesystem;

namespace {

/// What a folder is, whatever it is called: device and inode.
using Identity = std::pair<dev_t, ino_t>;

[[noreturn]] void fail_listing(const fs::path& folder, const std::error_code& reason) {
  throw DataError("[image folder] " + folder.string() + " cannot be listed (" + reason.message() +
                  "); check its permissions");
}

Identity identity(const fs::path& folder) {
  struct stat found {};
  if (stat(folder.c_str(), &found) != 0) fail_listing(folder, {errno, std::generic_category()});
  return {found.st_dev, found.st_ino};
}

void require_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return;
  throw DataError("[image folder] " + folder.string() + " is not a folder; give the folder that holds the images");
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool is_passed_over(const fs::path& path) { return path.filename().string().starts_with('.') || is_rubbish(path); }

std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (auto at = fs::directory_iterator(folder, error); !error && at != fs::directory_iterator(); at.increment(error)) {
    if (!is_passed_over(at->path())) entries.push_back(*at);
  }
  if (error) fail_listing(folder, error);
  return entries;
}

/// The folder itself and all that hold it.
std::set<Identity> holders(const fs::path& folder) {
  std::set<Identity> found;
  std::error_code error;
  auto at = fs::canonical(folder, error);
  if (error) fail_listing(folder, error);
  for (; at != at.parent_path(); at = at.parent_path()) found.insert(identity(at));
  found.insert(identity(at));
  return found;
}

/// Collects the wanted files of a tree: first what is really there, then what links lead to and was not seen yet.
class Walk {
 public:
  Walk(std::set<Identity> seen, const PathFilter& wanted) : seen_(std::move(seen)), wanted_(wanted) {}

  std::vector<fs::path> run(const fs::path& start) && {
    enter(start);
    while (!links_.empty()) {
      const auto link = links_.extract(links_.begin()).value();
      if (seen_.insert(identity(link)).second) enter(link);
    }
    std::sort(found_.begin(), found_.end());
    return std::move(found_);
  }

 private:
  void enter(const fs::path& folder) {
    for (const auto& entry : entries_of(folder)) {
      std::error_code broken;
      if (entry.is_directory(broken)) {
        if (entry.is_symlink(broken)) {
          links_.insert(entry.path());
        } else if (seen_.insert(identity(entry.path())).second) {
          enter(entry.path());
        }
      } else if (wanted_(entry.path()) && entry.is_regular_file(broken)) {
        found_.push_back(entry.path());
      }
    }
  }

  std::set<Identity> seen_;
  const PathFilter& wanted_;
  std::set<fs::path> links_;
  std::vector<fs::path> found_;
};

}  // namespace

bool has_image_extension(const fs::path& path) {
  static constexpr std::array<const char*, 12> kExtensions = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp",
                                                              ".tif", ".tiff", ".pbm", ".pgm",  ".ppm", ".pnm"};
  const std::string extension = lower(path.extension().string());
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

bool is_rubbish(const fs::path& path) {
  static constexpr std::array<const char*, 19> kNames = {".ds_store",
                                                         ".ipynb_checkpoints",
                                                         ".appledouble",
                                                         ".spotlight-v100",
                                                         ".trashes",
                                                         "__macosx",
                                                         "thumbs.db",
                                                         "ehthumbs.db",
                                                         "desktop.ini",
                                                         "$recycle.bin",
                                                         "@eadir",
                                                         "@recycle",
                                                         "#recycle",
                                                         "#snapshot",
                                                         "@recently-snapshot",
                                                         "lost+found",
                                                         "__pycache__",
                                                         "icon\r",
                                                         "system volume information"};
  const std::string name = lower(path.filename().string());
  return name.starts_with("._") || std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::vector<fs::path> list_folders(const fs::path& root) {
  require_folder(root);
  const auto above = holders(root);
  std::map<Identity, fs::path> names;
  std::vector<fs::path> folders;
  for (const auto& entry : entries_of(root)) {
    std::error_code broken;
    if (!entry.is_directory(broken) || above.contains(identity(entry.path()))) continue;
    const auto [at, fresh] = names.emplace(identity(entry.path()), entry.path());
    if (!fresh) {
      throw DataError("[image folder] " + at->second.string() + " and " + entry.path().string() +
                      " are one folder under two names; remove the link");
    }
    folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::vector<fs::path> list_images(const fs::path& folder) { return list_files(folder, has_image_extension); }

std::vector<fs::path> list_files(const fs::path& folder, const PathFilter& wanted) {
  require_folder(folder);
  return Walk(holders(folder), wanted).run(folder);
}

std::vector<std::vector<fs::path>> list_images_by_folder(const std::vector<fs::path>& folders, const fs::path& root) {
  auto seen = holders(root);
  for (const auto& folder : folders) seen.merge(holders(folder));
  const PathFilter wanted = has_image_extension;
  std::vector<std::vector<fs::path>> lists;
  for (const auto& folder : folders) lists.push_back(Walk(seen, wanted).run(folder));
  return lists;
}

}  // namespace retentive::datasets
