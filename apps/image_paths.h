#pragma once

#include <filesystem>
#include <functional>
#include <istream>
#include <string>
#include <vector>

namespace retentive::apps {

/// The image files that command-line arguments stand for: a file as it is, whatever its name; a folder for all files
/// with an image extension below it, sorted; a pattern with `*`, `?` or `[...]` for what it matches; `-` for the
/// files and folders listed in `list`, one a line. Folders and patterns that give nothing are named on stderr.
/// Throws DataError when a folder cannot be read or nothing at all is found.
std::vector<std::filesystem::path> expand_image_paths(const std::vector<std::string>& arguments, std::istream& list);

using PathFilter = std::function<bool(const std::filesystem::path&)>;

/// The same where other files than images are looked for in folders: those whose path is `wanted`.
std::vector<std::filesystem::path> expand_paths(const std::vector<std::string>& arguments, std::istream& list,
                                                const PathFilter& wanted);

}  // namespace retentive::apps
