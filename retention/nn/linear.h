#pragma once

#include <memory>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/epilogue.h>
#include <retention/nn/frozen.h>
#include <retention/nn/inference.h>

namespace retentive::packed {
class Linear;
}

namespace retentive::nn {

/// Affine map of the last dimension: y = x W^T + b. Keys `weight` [out, in] and, unless without, `bias` [out].
class RETENTIVE_API LinearImpl : public torch::nn::Module, public Preparable, public Frozen {
 public:
  LinearImpl(int64_t in_features, int64_t out_features, bool with_bias = true);
  ~LinearImpl() override;

  /// x [..., in] -> [..., out].
  torch::Tensor forward(const torch::Tensor& x, const Epilogue& epilogue = {});

  /// Weight: normal of standard deviation `std` truncated at +-2 (absolute); bias: 0.
  void initialize(double std, at::Generator generator);

  /// Weight: uniform within gain * sqrt(6 / (in + out)) (Glorot and Bengio); bias: 0.
  void initialize_xavier(double gain, at::Generator generator);

  /// Packs the weights, unless a group has taken them.
  void prepare(Preparation& preparation) override;
  void train(bool on = true) override;

  /// Folds a factor per output channel [out] into weight and bias.
  void scale_output(const torch::Tensor& factor);
  /// The output stays float when prepared, whatever flows inside the model.
  void keep_output_float() { float_output_ = true; }

  torch::Tensor weight;
  torch::Tensor bias;  ///< undefined without bias

 private:
  bool float_output_ = false;
  at::ScalarType output_type_ = at::kFloat;
  std::shared_ptr<const packed::Linear> packed_;
};
TORCH_MODULE(Linear);

}  // namespace retentive::nn
