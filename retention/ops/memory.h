#pragma once

#include <torch/torch.h>

#include <retention/base/buffer_pool.h>
#include <retention/base/export.h>

namespace retentive {

/// An uninitialised contiguous tensor whose memory comes from, and goes back to, the pool of prepared models.
RETENTIVE_API torch::Tensor pooled_empty(at::IntArrayRef sizes, at::ScalarType type);

}  // namespace retentive
