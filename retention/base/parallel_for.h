#pragma once

#include <cstdint>
#include <type_traits>

#include <retention/base/export.h>

namespace retentive {

/// Body of a parallel loop: tasks [begin, end) on worker 0..threads-1.
using RangeFunction = void (*)(void* context, int64_t begin, int64_t end, int worker);

/// Splits tasks 0..tasks-1 into one contiguous range per worker and runs them on at most `threads` threads, the
/// caller's among them (OpenMP; std::thread when built with RETENTIVE_PARALLEL=std_thread). `body` must not throw.
RETENTIVE_API void parallel_ranges(int64_t tasks, int threads, RangeFunction body, void* context);

/// parallel_ranges with a callable fn(begin, end, worker).
template <class F>
inline void parallel_for(int64_t tasks, int threads, F&& fn) {
  using Body = std::remove_reference_t<F>;
  const auto call = [](void* context, int64_t begin, int64_t end, int worker) {
    (*static_cast<Body*>(context))(begin, end, worker);
  };
  parallel_ranges(tasks, threads, call, const_cast<void*>(static_cast<const void*>(&fn)));
}

/// Threads that a parallel loop of the calling thread gets unless told otherwise.
RETENTIVE_API int default_threads();

}  // namespace retentive
