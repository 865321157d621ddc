#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::nn {

/// Sizes of a square-kernel convolution; zero padding of kernel / 2 on every side.
struct Conv2dOptions {
  int64_t in_channels = 1;
  int64_t out_channels = 1;
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t groups = 1;
};

/// 2-D convolution on channels-last maps. Keys `weight` [out, in/groups, k, k] and `bias` [out].
class RETENTIVE_API Conv2dImpl : public torch::nn::Module {
 public:
  explicit Conv2dImpl(const Conv2dOptions& options);
  ~Conv2dImpl() override;

  /// x [B, H, W, in] -> [B, ceil(H/stride), ceil(W/stride), out].
  torch::Tensor forward(const torch::Tensor& x);

  /// PyTorch's default: weight and bias uniform in +-1/sqrt(fan-in).
  void initialize(at::Generator generator);

  torch::Tensor weight;
  torch::Tensor bias;

 private:
  Conv2dOptions options_;
};
TORCH_MODULE(Conv2d);

}  // namespace retentive::nn
