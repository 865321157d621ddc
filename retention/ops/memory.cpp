#include <atomic>
#include <mutex>

#include <c10/core/CPUAllocator.h>

#include <retention/base/large_pages.h>
#include <retention/ops/memory.h>

namespace retentive {
namespace {

// Smaller tensors are many and cheap.
constexpr size_t kPooledBytes = size_t{64} << 10;

std::atomic<int> users{0};

void give_back(void* memory) { BufferPool::shared().give_back(memory); }

c10::Allocator& standard_allocator() {
  static c10::Allocator* const allocator = c10::GetCPUAllocator();
  return *allocator;
}

// Of memory that has no deleter of its own and may be from anywhere.
void give_back_or_free(void* memory) {
  if (!BufferPool::shared().give_back(memory)) standard_allocator().raw_deleter()(memory);
}

/// LibTorch's allocator, except for large tensors while there are users.
class PoolingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes < kPooledBytes || users.load(std::memory_order_relaxed) == 0) return standard_allocator().allocate(bytes);
    void* memory = BufferPool::shared().acquire(bytes).release();
    return {memory, memory, &give_back, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back_or_free; }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    standard_allocator().copy_data(to, from, bytes);
  }
};

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    standard_allocator();
    // Never destroyed, as tensors of static objects may ask it until the end.
    c10::SetCPUAllocator(new PoolingAllocator, /*priority=*/UINT8_MAX);
  });
}

}  // namespace

torch::Tensor pooled_empty(at::IntArrayRef sizes, at::ScalarType type) {
  const auto bytes = static_cast<size_t>(c10::multiply_integers(sizes)) * c10::elementSize(type);
  void* memory = BufferPool::shared().acquire(bytes).release();
  return at::from_blob(memory, sizes, &give_back, at::TensorOptions().dtype(type));
}

torch::Tensor large_empty(at::IntArrayRef sizes, at::ScalarType type) {
  const auto options = at::TensorOptions().dtype(type);
  const auto bytes = c10::multiply_integers(sizes) * static_cast<int64_t>(c10::elementSize(type));
  if (bytes < kLargePage) return torch::empty(sizes, options);
  auto memory = allocate_large(bytes);
  auto* const data = memory.get();
  return at::from_blob(
      data, sizes, [held = std::move(memory)](void*) mutable { held.reset(); }, options);
}

PooledTensors::PooledTensors() {
  install();
  ++users;
}

PooledTensors::~PooledTensors() {
  if (--users == 0) BufferPool::shared().trim();
}

}  // namespace retentive
