#include <retention/ops/memory.h>

namespace retentive {

torch::Tensor pooled_empty(at::IntArrayRef sizes, at::ScalarType type) {
  const auto bytes = static_cast<size_t>(c10::multiply_integers(sizes)) * c10::elementSize(type);
  auto buffer = BufferPool::shared().acquire(bytes);
  const auto give_back = buffer.get_deleter();
  void* memory = buffer.release();
  return at::from_blob(
      memory, sizes, [give_back](void* freed) { give_back(freed); }, at::TensorOptions().dtype(type));
}

}  // namespace retentive
