#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/conv2d.h>
#include <retention/nn/groups.h>
#include <retention/nn/linear.h>
#include <retention/nn/norm.h>

namespace retentive::vision {

/// Depthwise convolution with stride 1 under the key `conv`.
class RETENTIVE_API DepthwiseConvImpl : public torch::nn::Module {
 public:
  DepthwiseConvImpl(int64_t channels, int64_t kernel);
  ~DepthwiseConvImpl() override;

  /// x [B, H, W, C] -> [B, H, W, C].
  torch::Tensor forward(const torch::Tensor& x, const nn::DepthwiseCall& call = {});

  const nn::DepthwiseConv2d& conv() const { return conv_; }

 private:
  nn::DepthwiseConv2d conv_{nullptr};
};
TORCH_MODULE(DepthwiseConv);

/// RMT's feed-forward: t = GELU(fc1 x), t + dwconv3x3(t), fc2. Hidden width int(ratio * channels).
class RETENTIVE_API ConvFeedForwardImpl : public torch::nn::Module {
 public:
  ConvFeedForwardImpl(int64_t channels, int64_t hidden);
  ~ConvFeedForwardImpl() override;

  /// x [B, H, W, C] -> [B, H, W, C].
  torch::Tensor forward(const torch::Tensor& x, const nn::Epilogue& epilogue);

  /// Folds a factor per output channel [C].
  void scale_output(const torch::Tensor& factor) { fc2_->scale_output(factor); }

 private:
  nn::Linear fc1_{nullptr};
  nn::Linear fc2_{nullptr};
  DepthwiseConv dwconv_{nullptr};
};
TORCH_MODULE(ConvFeedForward);

/// RMT's stem: four 3x3 convolutions with BatchNorm, stride 4 in all, GELU after the first three.
class RETENTIVE_API ConvStemImpl : public torch::nn::Module, public nn::Preparable {
 public:
  ConvStemImpl(int64_t in_channels, int64_t channels);
  ~ConvStemImpl() override;

  /// image [B, in, H, W] -> [B, ceil(H/4), ceil(W/4), C].
  torch::Tensor forward(const torch::Tensor& image);

  void prepare(nn::Preparation& preparation) override;

 private:
  std::vector<nn::ConvBnGroup> steps_;
};
TORCH_MODULE(ConvStem);

/// Halves the grid: 3x3 convolution of stride 2, then BatchNorm.
class RETENTIVE_API DownsampleImpl : public torch::nn::Module, public nn::Preparable {
 public:
  DownsampleImpl(int64_t in_channels, int64_t out_channels);
  ~DownsampleImpl() override;

  /// x [B, H, W, in] -> [B, ceil(H/2), ceil(W/2), out].
  torch::Tensor forward(const torch::Tensor& x);

  void prepare(nn::Preparation& preparation) override;

 private:
  nn::Conv2d reduction_{nullptr};
  nn::BatchNorm norm_{nullptr};
  nn::ConvBnGroup step_;
};
TORCH_MODULE(Downsample);

}  // namespace retentive::vision
