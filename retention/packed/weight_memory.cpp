#include <algorithm>
#include <mutex>

#include <retention/base/large_pages.h>
#include <retention/packed/detail/weight_memory.h>

namespace retentive::packed {
namespace {

constexpr int64_t kChunk = 16 * kLargePage;
constexpr int64_t kAlignment = 64;

// The chunk that is being filled; maps alone keep it alive.
struct Filling {
  std::mutex mutex;
  std::weak_ptr<void> chunk;
  int64_t used = 0;
};

}  // namespace

WeightMemory allocate_weights(int64_t bytes) {
  static Filling filling;
  bytes = (std::max<int64_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes >= kChunk / 2) return allocate_large(bytes);
  const std::lock_guard lock(filling.mutex);
  auto chunk = filling.chunk.lock();
  if (chunk == nullptr || filling.used + bytes > kChunk) {
    chunk = allocate_large(kChunk);
    filling.chunk = chunk;
    filling.used = 0;
  }
  void* const memory = static_cast<char*>(chunk.get()) + filling.used;
  filling.used += bytes;
  return {std::move(chunk), memory};
}

}  // namespace retentive::packed
