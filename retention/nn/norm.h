#pragma once

#include <utility>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/frozen.h>
#include <retention/nn/inference.h>

namespace retentive::nn {

/// Layer normalisation over the last dimension. Keys `weight` and `bias` [C].
class RETENTIVE_API LayerNormImpl : public torch::nn::Module, public Preparable, public Frozen {
 public:
  LayerNormImpl(int64_t channels, double eps) : LayerNormImpl(channels, eps, /*centred=*/true) {}
  ~LayerNormImpl() override;

  /// x [..., C] -> [..., C].
  torch::Tensor forward(const torch::Tensor& x);

  /// Weight 1, bias 0.
  void initialize();

  void prepare(Preparation& preparation) override;
  void train(bool on = true) override;
  /// The output stays float when prepared, whatever flows inside the model.
  void keep_output_float() { float_output_ = true; }
  /// Only linear maps take the output, so that int8 products may have it quantised at once.
  void feeds_linear() { feeds_linear_ = true; }

  /// Of a prepared leaf: float copies of weight and bias, and the type of the output (int8: see
  /// detail/quantised.h).
  const torch::Tensor& packed_weight() const { return packed_weight_; }
  const torch::Tensor& packed_bias() const { return packed_bias_; }
  at::ScalarType output_type() const { return output_type_; }
  double eps() const { return eps_; }

  torch::Tensor weight;
  torch::Tensor bias;  ///< undefined in a root mean square norm

 protected:
  LayerNormImpl(int64_t channels, double eps, bool centred);

 private:
  torch::Tensor plain(const torch::Tensor& x, const torch::Tensor& scale, const torch::Tensor& shift) const;

  double eps_;
  bool centred_;
  bool float_output_ = false;
  bool feeds_linear_ = false;
  at::ScalarType output_type_ = at::kFloat;
  torch::Tensor packed_weight_;
  torch::Tensor packed_bias_;
};
TORCH_MODULE(LayerNorm);

/// x / sqrt(mean(x^2) + eps) * weight over the last dimension (Zhang and Sennrich, 2019). Key `weight` [C].
class RETENTIVE_API RmsNormImpl : public LayerNormImpl {
 public:
  RmsNormImpl(int64_t channels, double eps) : LayerNormImpl(channels, eps, /*centred=*/false) {}
  ~RmsNormImpl() override;
};
TORCH_MODULE(RmsNorm);

/// Batch normalisation of channels-last maps, eps 1e-5, momentum 0.1. Keys `weight`, `bias`, `running_mean`,
/// `running_var` [C] and `num_batches_tracked` (int64 scalar).
class RETENTIVE_API BatchNormImpl : public torch::nn::Module, public Frozen {
 public:
  explicit BatchNormImpl(int64_t channels);
  ~BatchNormImpl() override;

  /// x [B, H, W, C] -> [B, H, W, C]; in training mode by the batch's statistics, which move the running ones.
  /// Throws InvalidArgument in training mode when a channel has a single value.
  torch::Tensor forward(const torch::Tensor& x);

  /// Weight 1, bias 0, running mean 0 and variance 1, no batches tracked.
  void initialize();

  void train(bool on = true) override;
  /// What evaluation mode computes, as y = scale x + shift: both [C].
  std::pair<torch::Tensor, torch::Tensor> affine() const;

  torch::Tensor weight;
  torch::Tensor bias;
  torch::Tensor running_mean;
  torch::Tensor running_var;
  torch::Tensor num_batches_tracked;
};
TORCH_MODULE(BatchNorm);

}  // namespace retentive::nn
