#include <apps/image_paths.h>

#include <glob.h>

#include <iostream>

#include <datasets/image_listing.h>
#include <retention/base/byte_order_mark.h>
#include <retention/base/error.h>

namespace retentive::apps {
namespace {

namespace fs = std::filesystem;
using datasets::PathFilter;
using Found = std::vector<FoundImage>;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// A name that exists is never a pattern, even with brackets in it.
bool is_pattern(const std::string& argument) {
  std::error_code ignored;
  return argument.find_first_of("*?[") != std::string::npos && !fs::exists(argument, ignored);
}

void add_path(const fs::path& path, const PathFilter& wanted, Found& found) {
  if (datasets::is_rubbish(path)) {
    std::cerr << "note: passed over " << path.string() << ", which is no image\n";
  } else if (!is_folder(path)) {
    found.push_back({path, {}});
  } else {
    const auto images = datasets::list_files(path, wanted);
    if (images.empty()) std::cerr << "note: no images in the folder " << path.string() << "\n";
    for (const auto& image : images) found.push_back({image, path});
  }
}

// True where a wildcard, and not the person, chose a folder like @eaDir.
bool matched_rubbish(const fs::path& match, const fs::path& pattern) {
  auto wanted = pattern.begin();
  for (const auto& part : match) {
    const bool literal = wanted != pattern.end() && *wanted++ == part;
    if (!literal && datasets::is_rubbish(part)) return true;
  }
  return false;
}

void add_matches(const std::string& pattern, const PathFilter& wanted, Found& found) {
  glob_t matches{};
  const int code = glob(pattern.c_str(), 0, nullptr, &matches);
  const std::vector<fs::path> paths(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  globfree(&matches);
  if (code != 0) std::cerr << "note: nothing matches the pattern " << pattern << "\n";
  for (const auto& path : paths) {
    if (!matched_rubbish(path, pattern)) add_path(path, wanted, found);
  }
}

void add_list(std::istream& list, const PathFilter& wanted, Found& found) {
  bool first = true;
  for (std::string line; std::getline(list, line); first = false) {
    if (line.ends_with('\r')) line.pop_back();
    const fs::path path = first ? without_byte_order_mark(line) : line;
    if (!path.empty()) add_path(path, wanted, found);
  }
}

}  // namespace

std::vector<FoundImage> find_images(const std::vector<std::string>& arguments, std::istream& list,
                                    const PathFilter& wanted) {
  Found found;
  for (const auto& argument : arguments) {
    if (argument == "-") {
      add_list(list, wanted, found);
    } else if (is_pattern(argument)) {
      add_matches(argument, wanted, found);
    } else {
      add_path(argument, wanted, found);
    }
  }
  if (!found.empty()) return found;
  std::string given;
  for (const auto& argument : arguments) given += (given.empty() ? "" : " ") + argument;
  throw DataError(
      "[images] no images found in " + given +
      "; folders are searched for .jpg .jpeg .png .webp .gif .bmp .tif .tiff .pbm .pgm .ppm .pnm; name such a "
      "folder, a pattern or the files themselves");
}

std::vector<fs::path> paths_of(const std::vector<FoundImage>& images) {
  std::vector<fs::path> paths;
  for (const auto& image : images) paths.push_back(image.path);
  return paths;
}

std::vector<fs::path> expand_image_paths(const std::vector<std::string>& arguments, std::istream& list) {
  return paths_of(find_images(arguments, list));
}

}  // namespace retentive::apps
