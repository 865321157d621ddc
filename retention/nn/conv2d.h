#pragma once

#include <memory>
#include <utility>

#include <torch/torch.h>

#include <retention/base/activation.h>
#include <retention/base/export.h>
#include <retention/nn/frozen.h>
#include <retention/nn/inference.h>

namespace retentive::packed {
class Conv2d;
class Linear;
}  // namespace retentive::packed

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

/// 2-D convolution on channels-last maps. Keys `weight` [out, in, k, k] and `bias` [out].
class RETENTIVE_API Conv2dImpl : public torch::nn::Module, public Preparable, public Frozen {
 public:
  explicit Conv2dImpl(const Conv2dOptions& options);
  ~Conv2dImpl() override;

  /// x [B, H, W, in] -> activation(conv(x)) [B, ceil(H/stride), ceil(W/stride), out].
  torch::Tensor forward(const torch::Tensor& x, Activation activation = Activation::none);

  /// PyTorch's default: weight and bias uniform in +-1/sqrt(fan-in).
  void initialize(at::Generator generator);
  /// Weight: normal of standard deviation `std`; bias: `value`.
  void initialize_normal(double std, double value, at::Generator generator);
  /// Weight: uniform within sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio); bias: 0.
  void initialize_xavier(at::Generator generator);

  /// Packs the weights, unless a group has taken them.
  void prepare(Preparation& preparation) override;
  void train(bool on = true) override;
  const Conv2dOptions& options() const { return options_; }
  /// The output stays float when prepared, whatever flows inside the model.
  void keep_output_float() { float_output_ = true; }

  torch::Tensor weight;
  torch::Tensor bias;

 private:
  Conv2dOptions options_;
  bool float_output_ = false;
  at::ScalarType output_type_ = at::kFloat;
  std::shared_ptr<const packed::Conv2d> packed_;
};
TORCH_MODULE(Conv2d);

/// Transposed convolution of kernel 2 and stride 2, which doubles a channels-last map: every input pixel becomes 2 x 2
/// output pixels by linear maps of their own. Keys `weight` [in, out, 2, 2] and `bias` [out].
class RETENTIVE_API ConvTranspose2x2Impl : public torch::nn::Module, public Preparable, public Frozen {
 public:
  ConvTranspose2x2Impl(int64_t in_channels, int64_t out_channels);
  ~ConvTranspose2x2Impl() override;

  /// x [B, H, W, in] -> activation(conv(x)) [B, 2 H, 2 W, out].
  torch::Tensor forward(const torch::Tensor& x, Activation activation = Activation::none);

  /// Weight: normal of variance 2 / fan-out (He et al.); bias: 0.
  void initialize(at::Generator generator);

  void prepare(Preparation& preparation) override;
  void train(bool on = true) override;

  torch::Tensor weight;
  torch::Tensor bias;

 private:
  /// The linear map [4 out, in] and its bias [4 out], rows by (row, column, channel) of the output.
  std::pair<torch::Tensor, torch::Tensor> linear_map() const;

  at::ScalarType output_type_ = at::kFloat;
  std::shared_ptr<const packed::Linear> packed_;
};
TORCH_MODULE(ConvTranspose2x2);

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
