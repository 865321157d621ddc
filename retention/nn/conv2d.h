#pragma once

#include <torch/torch.h>

#include <retention/base/activation.h>
#include <retention/base/export.h>
#include <retention/nn/frozen.h>
#include <retention/nn/inference.h>

namespace retentive::nn {

/// Sizes of a dense square-kernel convolution; zero padding of kernel / 2 on every side.
struct Conv2dOptions {
  int64_t in_channels = 1;
  int64_t out_channels = 1;
  int64_t kernel = 3;
  int64_t stride = 1;
};

/// PyTorch's default for convolutions: weight and bias uniform in +-1/sqrt(fan-in).
void initialize_conv(torch::Tensor& weight, torch::Tensor& bias, const at::Generator& generator);

/// 2-D convolution on channels-last maps. Keys `weight` [out, in, k, k] and `bias` [out]. Packed by its group
/// (nn/groups.h), since every convolution of the models is followed by a BatchNorm.
class RETENTIVE_API Conv2dImpl : public torch::nn::Module, public Frozen {
 public:
  explicit Conv2dImpl(const Conv2dOptions& options);
  ~Conv2dImpl() override;

  /// x [B, H, W, in] -> [B, ceil(H/stride), ceil(W/stride), out].
  torch::Tensor forward(const torch::Tensor& x);

  /// PyTorch's default: weight and bias uniform in +-1/sqrt(fan-in).
  void initialize(at::Generator generator);

  void train(bool on = true) override;
  const Conv2dOptions& options() const { return options_; }

  torch::Tensor weight;
  torch::Tensor bias;

 private:
  Conv2dOptions options_;
};
TORCH_MODULE(Conv2d);

/// What surrounds a depthwise convolution in the same call: with t = input_activation(x),
/// y = conv(t) + t (when add_input) + addend (when given).
struct DepthwiseCall {
  Activation input_activation = Activation::none;
  bool add_input = false;
  torch::Tensor addend = {};  ///< [B, H, W, C]; a prepared leaf writes into it and returns it
};

/// Depthwise convolution of odd kernel and stride 1 on channels-last maps. Keys `weight` [C, 1, k, k], `bias` [C].
class RETENTIVE_API DepthwiseConv2dImpl : public torch::nn::Module, public Preparable, public Frozen {
 public:
  DepthwiseConv2dImpl(int64_t channels, int64_t kernel);
  ~DepthwiseConv2dImpl() override;

  /// x [B, H, W, C] -> [B, H, W, C].
  torch::Tensor forward(const torch::Tensor& x, const DepthwiseCall& call = {});

  /// PyTorch's default: weight and bias uniform in +-1/k.
  void initialize(at::Generator generator);

  void prepare(Preparation& preparation) override;
  void train(bool on = true) override;
  int64_t kernel() const { return kernel_; }

  /// Taps [k * k, C] of a prepared leaf, the second with 1 added to the centre.
  const torch::Tensor& taps(bool add_input) const { return add_input ? taps_with_input_ : taps_; }
  const torch::Tensor& packed_bias() const { return packed_bias_; }

  torch::Tensor weight;
  torch::Tensor bias;

 private:
  int64_t kernel_;
  torch::Tensor taps_;
  torch::Tensor taps_with_input_;
  torch::Tensor packed_bias_;
};
TORCH_MODULE(DepthwiseConv2d);

}  // namespace retentive::nn
