#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::nn {

/// Affine map of the last dimension: y = x W^T + b. Keys `weight` [out, in] and `bias` [out].
class RETENTIVE_API LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(int64_t in_features, int64_t out_features);
  ~LinearImpl() override;

  /// x [..., in] -> [..., out].
  torch::Tensor forward(const torch::Tensor& x);

  /// Weight: normal of standard deviation `std` truncated at +-2 (absolute); bias: 0.
  void initialize(double std, at::Generator generator);

  torch::Tensor weight;
  torch::Tensor bias;
};
TORCH_MODULE(Linear);

}  // namespace retentive::nn
