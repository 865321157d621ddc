#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace retentive::models::detail {

/// The content of a regular file of at most 1 GiB. Throws CheckpointError naming the path and the reason.
std::string read_file(const std::filesystem::path& path);

/// Writes the file whole or not at all. Throws CheckpointError.
void write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace retentive::models::detail
