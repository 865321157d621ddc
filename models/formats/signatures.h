#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace retentive::models::formats {

/// What the first bytes of a file say it is.
enum class Signature { safetensors, zip, pickle, tar, unknown };

Signature read_signature(std::span<const std::byte> bytes) noexcept;

/// The first bytes as text and as hexadecimal numbers, for messages.
std::string first_bytes_text(std::span<const std::byte> bytes);

}  // namespace retentive::models::formats
