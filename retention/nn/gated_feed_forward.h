#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/groups.h>
#include <retention/nn/linear.h>

namespace retentive::nn {

/// Gated feed-forward (GLU): fc2(activation(fc1 x) * gate x). Keys `fc1`, `gate`, `fc2`; no biases.
class RETENTIVE_API GatedFeedForwardImpl : public torch::nn::Module, public Preparable {
 public:
  GatedFeedForwardImpl(int64_t dim, int64_t hidden, Activation activation);
  ~GatedFeedForwardImpl() override;

  /// x [..., C] -> [..., C] with the epilogue.
  torch::Tensor forward(const torch::Tensor& x, const Epilogue& epilogue);

  /// PyTorch's default for linear maps; fc1 and fc2 are divided by `residual_divisor`.
  void initialize(double residual_divisor, at::Generator generator);
  void prepare(Preparation& preparation) override;

 private:
  Activation activation_;
  Linear fc1_{nullptr}, gate_{nullptr}, fc2_{nullptr};
  ProjectionGroup inputs_;
};
TORCH_MODULE(GatedFeedForward);

}  // namespace retentive::nn
