#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <models/formats/pickle.h>

namespace retentive::models::formats {

/// One past the last storage element the view touches; its offset for an empty view. Empty on overflow or when the
/// shape cannot be counted.
std::optional<std::uint64_t> strided_extent(const PickleTensor& tensor) noexcept;

/// Whether the elements follow each other in row-major order.
bool is_contiguous(const PickleTensor& tensor) noexcept;

/// The elements in row-major order; `storage` holds at least strided_extent() elements.
std::vector<std::byte> gather(const PickleTensor& tensor, std::span<const std::byte> storage);

}  // namespace retentive::models::formats
