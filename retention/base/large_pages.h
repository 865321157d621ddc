#pragma once

#include <cstdint>
#include <memory>

#include <retention/base/export.h>

namespace retentive {

/// Memory of `bytes` bytes or more, in pages of 2 MB where the system offers them: reading small pages once costs as
/// much for addresses as for data. Its content is undefined. Throws std::bad_alloc.
RETENTIVE_API std::shared_ptr<void> allocate_large(int64_t bytes);

/// Bytes of a large page; what allocate_large returns is aligned to it.
constexpr int64_t kLargePage = 2 << 20;

}  // namespace retentive
