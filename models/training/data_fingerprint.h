#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <datasets/text.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Files of a data set as a line that tells another set from it: "192 files, 49000 bytes, SHA-256 0f3a...". The hash is
/// over names (relative to `root`), sizes and contents: all of them up to 1 GiB, beyond that an even sample of as much.
/// Throws DataError for a file that cannot be read.
RETENTIVE_API std::string fingerprint_files(const std::filesystem::path& root,
                                            const std::vector<std::filesystem::path>& files);

/// The same of texts in memory, whole.
RETENTIVE_API std::string fingerprint_texts(const std::vector<datasets::Document>& documents);

}  // namespace retentive::models
