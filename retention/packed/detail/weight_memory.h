#pragma once

#include <cstdint>
#include <memory>

namespace retentive::packed {

/// Memory of packed weights, aligned to 64 bytes.
using WeightMemory = std::shared_ptr<void>;

/// Many maps share chunks of large pages (base/large_pages.h); a chunk is freed with the last map in it. Throws
/// std::bad_alloc.
WeightMemory allocate_weights(int64_t bytes);

}  // namespace retentive::packed
