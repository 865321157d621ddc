#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace retentive::models::formats {

static_assert(std::endian::native == std::endian::little, "weights files are little-endian and are used in place");

/// The value at `offset`, which the caller has checked to lie inside.
template <typename T>
T load(std::span<const std::byte> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// Whether [offset, offset + size) lies in [0, limit), without overflow.
constexpr bool in_bounds(std::uint64_t offset, std::uint64_t size, std::uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

}  // namespace retentive::models::formats
