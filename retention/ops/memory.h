#pragma once

#include <torch/torch.h>

#include <retention/base/buffer_pool.h>
#include <retention/base/export.h>

namespace retentive {

/// An uninitialised contiguous tensor whose memory comes from, and goes back to, the pool of prepared models.
RETENTIVE_API torch::Tensor pooled_empty(at::IntArrayRef sizes, at::ScalarType type);

/// An uninitialised contiguous tensor in pages of 2 MB where the system offers them and the tensor fills one: what is
/// read whole at every step, such as a cache, comes half as fast from small pages.
RETENTIVE_API torch::Tensor large_empty(at::IntArrayRef sizes, at::ScalarType type);

/// While one lives, LibTorch's own operators take the memory of large CPU tensors from that pool too: a training step
/// allocates the same sizes every time, which the system's allocator answers with fresh pages and scattered gaps. Such
/// tensors may outlive it. The last one frees what the pool keeps idle.
class RETENTIVE_API PooledTensors {
 public:
  PooledTensors();
  ~PooledTensors();
  PooledTensors(const PooledTensors&) = delete;
  PooledTensors& operator=(const PooledTensors&) = delete;
};

}  // namespace retentive
