#pragma once

#include <cstdint>

#include <retention/base/export.h>

namespace retentive::retention {

/// Bytes a second at which `threads` threads read memory: the best of `passes` sums over a buffer of about `bytes`
/// bytes, in large pages where the system offers them. What reads its weights once for every token is judged by it:
/// take a buffer much larger than the caches, 1 GB say. Throws InvalidArgument for a buffer below 1 MB, threads < 1 or
/// passes < 1, std::bad_alloc.
RETENTIVE_API double read_bandwidth(int64_t bytes, int threads, int passes = 5);

}  // namespace retentive::retention
