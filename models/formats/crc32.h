#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace retentive::models::formats {

/// The CRC-32 of zip (polynomial 0xEDB88320, reflected).
std::uint32_t crc32(std::span<const std::byte> bytes) noexcept;

}  // namespace retentive::models::formats
