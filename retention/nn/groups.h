#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/conv2d.h>
#include <retention/nn/linear.h>
#include <retention/nn/norm.h>

namespace retentive::packed {
class Conv2d;
class Linear;
}  // namespace retentive::packed

/// Groups of leaves that one packed primitive computes. A group refers to leaves and is the one call that `forward`
/// makes: leaf by leaf when unprepared, one primitive when prepared. The module that owns a group prepares it.
namespace retentive::nn {

/// activation(norm(conv(x))).
class RETENTIVE_API ConvBnGroup {
 public:
  ConvBnGroup(Conv2d conv, BatchNorm norm) : conv_(std::move(conv)), norm_(std::move(norm)) {}

  /// x [B, H, W, in] -> [B, h, w, out].
  torch::Tensor forward(const torch::Tensor& x, Activation activation = Activation::none);
  /// Folds the norm into the convolution; the output is float when `float_output`.
  void prepare(Preparation& preparation, const std::string& child, bool float_output);

 private:
  Conv2d conv_;
  BatchNorm norm_;
  at::ScalarType output_type_ = at::kFloat;
  std::shared_ptr<const packed::Conv2d> packed_;
};

/// activation(norm(linear(x))) over channels-last maps.
class RETENTIVE_API LinearBnGroup {
 public:
  LinearBnGroup() = default;
  LinearBnGroup(Linear linear, BatchNorm norm) : linear_(std::move(linear)), norm_(std::move(norm)) {}

  /// x [B, H, W, in] -> [B, H, W, out]; float when prepared.
  torch::Tensor forward(const torch::Tensor& x, Activation activation = Activation::none);
  void prepare(Preparation& preparation, const std::string& child);

 private:
  Linear linear_{nullptr};
  BatchNorm norm_{nullptr};
  std::shared_ptr<const packed::Linear> packed_;
};

/// Several linear maps of one input, such as q, k and v; all with a bias or none.
class RETENTIVE_API ProjectionGroup {
 public:
  explicit ProjectionGroup(std::vector<Linear> parts) : parts_(std::move(parts)) {}

  /// x [..., in] -> one [..., out_i] per part; views of one tensor when prepared.
  std::vector<torch::Tensor> forward(const torch::Tensor& x);
  void prepare(Preparation& preparation, const std::string& child);

 private:
  /// Weights, and biases if there are any.
  std::pair<std::vector<torch::Tensor>, std::vector<torch::Tensor>> parameters() const;

  std::vector<Linear> parts_;
  std::vector<int64_t> widths_;
  at::ScalarType output_type_ = at::kFloat;
  std::shared_ptr<const packed::Linear> packed_;
};

/// x' = x + conv(x) and norm(x'), as RMT's blocks begin.
class RETENTIVE_API ResidualConvNormGroup {
 public:
  ResidualConvNormGroup(DepthwiseConv2d conv, LayerNorm norm) : conv_(std::move(conv)), norm_(std::move(norm)) {}

  /// x [B, H, W, C] -> x' and norm(x'), both [B, H, W, C].
  std::pair<torch::Tensor, torch::Tensor> forward(const torch::Tensor& x);

 private:
  DepthwiseConv2d conv_;
  LayerNorm norm_;
};

}  // namespace retentive::nn
