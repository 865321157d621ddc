#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <retention/base/export.h>

namespace retentive::models {

/// Class names of a label set by class index: "imagenet1k", "coco" or "digits"; none for the empty name.
/// Throws ConfigError for another name.
RETENTIVE_API std::vector<std::string> label_set(std::string_view name);

/// Class names from a text file, one a line, line number = class index; a trailing empty line is ignored.
/// Throws DataError when the file cannot be read, has an empty line between names, or is not UTF-8.
RETENTIVE_API std::vector<std::string> read_labels(const std::filesystem::path& path);

}  // namespace retentive::models
