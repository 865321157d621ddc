#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include <retention/base/export.h>

namespace retentive::models {

/// SHA-256 (FIPS 180-4) as 64 lower-case hexadecimal digits.
RETENTIVE_API std::string sha256_hex(std::span<const std::byte> bytes);

/// SHA-256 of a file's content. Throws CheckpointError when it cannot be read.
RETENTIVE_API std::string sha256_file(const std::filesystem::path& path);

}  // namespace retentive::models
