#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace retentive::models::detail {

/// The content of a regular file of at most 1 GiB. Throws CheckpointError naming the path and the reason.
std::string read_file(const std::filesystem::path& path);

/// Writes the file whole or not at all. Throws CheckpointError.
void write_file(const std::filesystem::path& path, std::string_view content);

std::string to_base64(std::string_view bytes);
/// Nothing when `text` is no base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace retentive::models::detail
