#include <algorithm>
#include <cstdlib>
#include <new>

#include <sys/mman.h>

#include <retention/base/buffer_pool.h>

namespace retentive {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;
// Up to here nothing is freed: small models at ordinary sizes keep every buffer.
constexpr size_t kAlwaysKept = size_t{256} << 20;

size_t rounded(size_t bytes, size_t unit) { return (std::max<size_t>(bytes, 1) + unit - 1) / unit * unit; }

void* allocate(size_t bytes) {
  const bool huge = bytes >= kHugePage;
  void* memory = nullptr;
  if (posix_memalign(&memory, huge ? kHugePage : 64, bytes) != 0) throw std::bad_alloc();
  if (huge) madvise(memory, bytes, MADV_HUGEPAGE);
  return memory;
}

}  // namespace

void BufferPool::Returner::operator()(void* memory) const { pool->give_back(memory); }

BufferPool::~BufferPool() { trim(); }

BufferPool& BufferPool::shared() {
  // Never destroyed: buffers of other static objects may return after the end of main.
  static auto* pool = new BufferPool;
  return *pool;
}

BufferPool::Buffer BufferPool::acquire(size_t bytes) {
  bytes = rounded(bytes, kPage);
  const std::lock_guard lock(mutex_);
  if (void* memory = take_idle(bytes)) return {memory, Returner{this}};
  peak_used_bytes_ = std::max(peak_used_bytes_, used_bytes_ + bytes);
  const size_t limit = std::max(kAlwaysKept, peak_used_bytes_ + peak_used_bytes_ / 4);
  free_idle_beyond(limit - std::min(limit, used_bytes_ + bytes));
  used_.push_front({allocate(bytes), bytes});
  used_bytes_ += bytes;
  return {used_.front().memory, Returner{this}};
}

void* BufferPool::take_idle(size_t bytes) {
  auto best = idle_.end();
  for (auto it = idle_.begin(); it != idle_.end(); ++it) {
    const bool fits = it->bytes >= bytes && it->bytes <= bytes + bytes / 4;
    if (fits && (best == idle_.end() || it->bytes < best->bytes)) best = it;
  }
  if (best == idle_.end()) return nullptr;
  idle_bytes_ -= best->bytes;
  used_bytes_ += best->bytes;
  peak_used_bytes_ = std::max(peak_used_bytes_, used_bytes_);
  used_.splice(used_.begin(), idle_, best);
  return used_.front().memory;
}

void BufferPool::free_idle_beyond(size_t limit) {
  while (idle_bytes_ > limit) {
    std::free(idle_.back().memory);
    idle_bytes_ -= idle_.back().bytes;
    idle_.pop_back();
  }
}

bool BufferPool::give_back(void* memory) {
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(used_.begin(), used_.end(), [&](const Block& block) { return block.memory == memory; });
  if (it == used_.end()) return false;
  used_bytes_ -= it->bytes;
  idle_bytes_ += it->bytes;
  idle_.splice(idle_.begin(), used_, it);
  return true;
}

void BufferPool::trim() {
  const std::lock_guard lock(mutex_);
  free_idle_beyond(0);
}

size_t BufferPool::held() const {
  const std::lock_guard lock(mutex_);
  return idle_bytes_ + used_bytes_;
}

}  // namespace retentive
