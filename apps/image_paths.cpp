#include <apps/image_paths.h>

#include <glob.h>

#include <iostream>

#include <datasets/image_folder.h>
#include <retention/base/error.h>

namespace retentive::apps {
namespace {

using Paths = std::vector<std::filesystem::path>;

bool is_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

// A name that exists is never a pattern, even with brackets in it.
bool is_pattern(const std::string& argument) {
  std::error_code ignored;
  return argument.find_first_of("*?[") != std::string::npos && !std::filesystem::exists(argument, ignored);
}

void add_path(const std::filesystem::path& path, const PathFilter& wanted, Paths& paths) {
  if (!is_folder(path)) {
    paths.push_back(path);
    return;
  }
  const auto images = datasets::list_files(path, wanted);
  if (images.empty()) std::cerr << "note: no images in the folder " << path.string() << "\n";
  paths.insert(paths.end(), images.begin(), images.end());
}

void add_matches(const std::string& pattern, const PathFilter& wanted, Paths& paths) {
  glob_t matches{};
  const int code = glob(pattern.c_str(), 0, nullptr, &matches);
  const Paths found(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  globfree(&matches);
  if (code != 0) std::cerr << "note: nothing matches the pattern " << pattern << "\n";
  for (const auto& path : found) add_path(path, wanted, paths);
}

void add_list(std::istream& list, const PathFilter& wanted, Paths& paths) {
  for (std::string line; std::getline(list, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) add_path(line, wanted, paths);
  }
}

}  // namespace

std::vector<std::filesystem::path> expand_image_paths(const std::vector<std::string>& arguments, std::istream& list) {
  return expand_paths(arguments, list, datasets::has_image_extension);
}

std::vector<std::filesystem::path> expand_paths(const std::vector<std::string>& arguments, std::istream& list,
                                                const PathFilter& wanted) {
  Paths paths;
  for (const auto& argument : arguments) {
    if (argument == "-") {
      add_list(list, wanted, paths);
    } else if (is_pattern(argument)) {
      add_matches(argument, wanted, paths);
    } else {
      add_path(argument, wanted, paths);
    }
  }
  if (!paths.empty()) return paths;
  std::string given;
  for (const auto& argument : arguments) given += (given.empty() ? "" : " ") + argument;
  throw DataError("[images] no images found in " + given +
                  "; folders are searched for .jpg .jpeg .png .webp .bmp .tif .tiff .pgm .ppm .pnm; name such a "
                  "folder, a pattern or the files themselves");
}

}  // namespace retentive::apps
