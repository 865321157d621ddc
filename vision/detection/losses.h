#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::vision {

/// Sum over all entries of the focal loss of sigmoid scores (Lin et al., 2017, equation 5), alpha 0.25, gamma 2:
/// logits [n, K] against int64 labels [n] in 0..K-1, or negative for background. One pass keeps its gradient, not the
/// intermediate tensors.
RETENTIVE_API torch::Tensor focal_loss(const torch::Tensor& logits, const torch::Tensor& labels);

}  // namespace retentive::vision
