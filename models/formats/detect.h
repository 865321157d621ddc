#pragma once

#include <filesystem>
#include <string_view>

#include <retention/base/export.h>

namespace retentive::models::formats {

enum class WeightsFormat { safetensors, pth };

/// `safetensors` or `pth`.
RETENTIVE_API std::string_view format_name(WeightsFormat format) noexcept;

/// Tells the format from the first bytes, never from the extension; the content is not checked further. Old pickle and
/// tar checkpoints count as pth, so that PthFile::open() explains how to re-save them.
/// Throws CheckpointError for a path that is missing, a directory or unreadable, an empty file and unknown content.
RETENTIVE_API WeightsFormat detect_format(const std::filesystem::path& path);

}  // namespace retentive::models::formats
