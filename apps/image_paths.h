#pragma once

#include <filesystem>
#include <istream>
#include <string>
#include <vector>

#include <datasets/image_listing.h>

namespace retentive::apps {

/// An image file, and the folder that it was found below; none for a file that was named itself.
struct FoundImage {
  std::filesystem::path path;
  std::filesystem::path folder;
};

/// The image files that command-line arguments stand for: a file as it is, whatever its name; a folder for all files
/// with an image extension below it, sorted; a pattern with `*`, `?` or `[...]` for what it matches; `-` for the
/// files and folders listed in `list`, one a line. Folders and patterns that give nothing, and what was left by systems
/// and programs (Thumbs.db, __MACOSX, ...) are named on stderr. Throws DataError when a folder cannot be read or
/// nothing at all is found. In folders, files are looked for whose path is `wanted`.
std::vector<FoundImage> find_images(const std::vector<std::string>& arguments, std::istream& list,
                                    const datasets::PathFilter& wanted = datasets::has_image_extension);

/// The paths of these images.
std::vector<std::filesystem::path> paths_of(const std::vector<FoundImage>& images);

/// The paths that find_images() finds.
std::vector<std::filesystem::path> expand_image_paths(const std::vector<std::string>& arguments, std::istream& list);

}  // namespace retentive::apps
