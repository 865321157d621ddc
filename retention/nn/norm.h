#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::nn {

/// Layer normalisation over the last dimension. Keys `weight` and `bias` [C].
class RETENTIVE_API LayerNormImpl : public torch::nn::Module {
 public:
  LayerNormImpl(int64_t channels, double eps);
  ~LayerNormImpl() override;

  /// x [..., C] -> [..., C].
  torch::Tensor forward(const torch::Tensor& x);

  /// Weight 1, bias 0.
  void initialize();

  torch::Tensor weight;
  torch::Tensor bias;

 private:
  double eps_;
};
TORCH_MODULE(LayerNorm);

/// Batch normalisation of channels-last maps, eps 1e-5, momentum 0.1. Keys `weight`, `bias`, `running_mean`,
/// `running_var` [C] and `num_batches_tracked` (int64 scalar).
class RETENTIVE_API BatchNormImpl : public torch::nn::Module {
 public:
  explicit BatchNormImpl(int64_t channels);
  ~BatchNormImpl() override;

  /// x [B, H, W, C] -> [B, H, W, C]; in training mode by the batch's statistics, which move the running ones.
  /// Throws InvalidArgument in training mode when a channel has a single value.
  torch::Tensor forward(const torch::Tensor& x);

  /// Weight 1, bias 0, running mean 0 and variance 1, no batches tracked.
  void initialize();

  torch::Tensor weight;
  torch::Tensor bias;
  torch::Tensor running_mean;
  torch::Tensor running_var;
  torch::Tensor num_batches_tracked;
};
TORCH_MODULE(BatchNorm);

}  // namespace retentive::nn
