#pragma once

#include <cstdint>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/conv2d.h>
#include <retention/nn/norm.h>
#include <vision/backbone.h>

namespace retentive::vision {

/// A 3x3 or 1x1 convolution under the key `conv`.
class RETENTIVE_API ConvLayerImpl : public torch::nn::Module {
 public:
  explicit ConvLayerImpl(const nn::Conv2dOptions& options);
  ~ConvLayerImpl() override;

  /// x [B, H, W, in] -> activation(conv(x)) [B, h, w, out].
  torch::Tensor forward(const torch::Tensor& x, Activation activation = Activation::none) {
    return conv_->forward(x, activation);
  }
  nn::Conv2d& conv() { return conv_; }

 private:
  nn::Conv2d conv_{nullptr};
};
TORCH_MODULE(ConvLayer);

/// Makes the feature pyramid that detection heads read from the maps of a backbone.
class RETENTIVE_API NeckImpl : public torch::nn::Module {
 public:
  ~NeckImpl() override;

  /// Maps [B, h, w, C_i], fine to coarse -> pyramid [B, h, w, C], fine to coarse.
  virtual std::vector<torch::Tensor> forward(const std::vector<torch::Tensor>& maps) = 0;
  virtual void initialize(at::Generator generator) = 0;

  int64_t channels() const { return channels_; }
  /// Input pixels per pixel of each level.
  const std::vector<int64_t>& strides() const { return strides_; }

 protected:
  explicit NeckImpl(int64_t channels) : channels_(channels) {}

  int64_t channels_;
  std::vector<int64_t> strides_;
};

/// The levels above the last map: P6 as every second pixel of P5 (Mask R-CNN); or P6 and P7 as 3x3 convolutions of
/// stride 2 of the last input map and of P6, without activation between (RetinaNet in mmdetection).
enum class TopLevels { subsample, convolutions };

/// Feature pyramid network (Lin et al., 2017): lateral 1x1 convolutions, nearest upsampling added to the finer map,
/// 3x3 convolutions. Keys `lateral_convs.<i>.conv`, `fpn_convs.<i>.conv`.
class RETENTIVE_API FpnImpl : public NeckImpl {
 public:
  FpnImpl(const std::vector<FeatureInfo>& inputs, int64_t channels, TopLevels top);
  ~FpnImpl() override;

  std::vector<torch::Tensor> forward(const std::vector<torch::Tensor>& maps) override;
  /// Weights uniform (Glorot and Bengio), biases 0.
  void initialize(at::Generator generator) override;

 private:
  TopLevels top_;
  std::vector<ConvLayer> lateral_convs_;
  std::vector<ConvLayer> fpn_convs_;
};

/// The simple feature pyramid of plain backbones (Li et al., ViTDet, 2022): from one map of stride s, levels of stride
/// s/4, s/2, s and 2s by transposed convolutions and maximum pooling, each followed by 1x1 and 3x3 convolutions with
/// LayerNorm; then the top levels of the detector, from the coarsest of them. `levels` says which of the four are made.
class RETENTIVE_API SimplePyramidImpl : public NeckImpl {
 public:
  SimplePyramidImpl(const FeatureInfo& input, int64_t first_level, int64_t channels, TopLevels top);
  ~SimplePyramidImpl() override;

  std::vector<torch::Tensor> forward(const std::vector<torch::Tensor>& maps) override;
  void initialize(at::Generator generator) override;

 private:
  /// One level of the pyramid.
  struct Level {
    std::vector<nn::ConvTranspose2x2> doublings;
    nn::LayerNorm between{nullptr};  ///< of two doublings
    bool halved = false;
    nn::Conv2d reduce{nullptr};
    nn::LayerNorm reduce_norm{nullptr};
    nn::Conv2d smooth{nullptr};
    nn::LayerNorm smooth_norm{nullptr};
  };
  Level make_level(int64_t scale, int64_t in_channels);
  torch::Tensor run_level(Level& level, torch::Tensor x);

  TopLevels top_;
  std::vector<Level> levels_;
  std::vector<nn::Conv2d> top_convs_;
};

/// Levels above `last`, made by `convs` from `input`, or by subsampling when there are none.
void append_top_levels(std::vector<torch::Tensor>& pyramid, const torch::Tensor& input,
                       const std::vector<nn::Conv2d>& convs);

}  // namespace retentive::vision
