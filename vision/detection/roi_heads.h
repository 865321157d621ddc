#pragma once

#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/linear.h>
#include <vision/detection/neck.h>
#include <vision/detection/retinanet_head.h>
#include <vision/detection/structures.h>

namespace retentive::vision {

/// Pools regions from the level of a pyramid that fits their size: floor(log2(sqrt(area) / 56 + 1e-6)), within the
/// levels there are (Lin et al., Feature pyramid networks, 2017, equation 1, with mmdetection's constants).
class RETENTIVE_API RoiPooler {
 public:
  /// The first `strides.size()` levels of the pyramid are pooled from.
  explicit RoiPooler(std::vector<int64_t> strides) : strides_(std::move(strides)) {}

  /// boxes [n, 4] of each image -> [sum of n, C, size, size].
  torch::Tensor pool(const std::vector<torch::Tensor>& pyramid, const std::vector<torch::Tensor>& boxes,
                     int64_t size) const;

  /// Level of each box: int64 [n].
  torch::Tensor levels(const torch::Tensor& boxes) const;

 private:
  std::vector<int64_t> strides_;
};

/// Class and box of a pooled region by two fully connected layers. Keys `shared_fcs.<i>`, `fc_cls`, `fc_reg`.
class RETENTIVE_API BoxHeadImpl : public torch::nn::Module {
 public:
  BoxHeadImpl(int64_t channels, int64_t pool, int64_t fc_dim, int64_t num_classes);
  ~BoxHeadImpl() override;

  /// regions [n, C, pool, pool] -> class logits [n, K + 1], the last for background, and deltas [n, K, 4].
  std::pair<torch::Tensor, torch::Tensor> forward(const torch::Tensor& regions);
  void initialize(at::Generator generator);

 private:
  std::vector<nn::Linear> shared_fcs_;
  nn::Linear fc_cls_{nullptr};
  nn::Linear fc_reg_{nullptr};
};
TORCH_MODULE(BoxHead);

/// Mask of a pooled region for each class. Keys `convs.<i>.conv`, `upsample`, `conv_logits`.
class RETENTIVE_API MaskHeadImpl : public torch::nn::Module {
 public:
  MaskHeadImpl(int64_t channels, int64_t convs, int64_t width, int64_t num_classes);
  ~MaskHeadImpl() override;

  /// regions [n, C, pool, pool] -> logits [n, K, 2 pool, 2 pool].
  torch::Tensor forward(const torch::Tensor& regions);
  void initialize(at::Generator generator);

 private:
  std::vector<ConvLayer> convs_;
  nn::ConvTranspose2x2 upsample_{nullptr};
  nn::Conv2d conv_logits_{nullptr};
};
TORCH_MODULE(MaskHead);

/// What follows the proposals in Faster and Mask R-CNN (He et al., 2017). Keys `bbox_head.*`, `mask_head.*`.
class RETENTIVE_API RoiHeadsImpl : public torch::nn::Module {
 public:
  struct Options {
    int64_t channels = 256;
    std::vector<int64_t> strides = {4, 8, 16, 32};
    int64_t num_classes = 80;
    int64_t samples = 512;
    int64_t box_pool = 7;
    int64_t fc_dim = 1024;
    bool masks = true;
    int64_t mask_pool = 14;
    int64_t mask_convs = 4;
    int64_t mask_channels = 256;
    DetectionLimits limits;
  };

  explicit RoiHeadsImpl(const Options& options);
  ~RoiHeadsImpl() override;

  /// Cross entropy of the classes and L1 loss of the deltas over sampled proposals and the objects themselves, binary
  /// cross entropy of the masks of positive ones: `loss_cls`, `loss_bbox`, `loss_mask`.
  Losses losses(const std::vector<torch::Tensor>& pyramid, const std::vector<torch::Tensor>& proposals,
                const std::vector<DetectionTarget>& targets);

  /// Detections of each image from its proposals.
  std::vector<DetectedObjects> detect(const std::vector<torch::Tensor>& pyramid,
                                      const std::vector<torch::Tensor>& proposals,
                                      const std::vector<ImageExtent>& extents);

  void initialize(at::Generator generator);
  void set_generator(const at::Generator& generator) { generator_ = generator; }

 private:
  /// Sampled proposals of one image, the positive ones first.
  struct Sample {
    torch::Tensor boxes;    ///< [n, 4]
    torch::Tensor objects;  ///< of the positive ones [p]
  };
  Sample sample_proposals(const torch::Tensor& proposals, const DetectionTarget& target) const;
  torch::Tensor mask_loss(const std::vector<torch::Tensor>& pyramid, const std::vector<Sample>& samples,
                          const std::vector<DetectionTarget>& targets);
  /// Detections of each image from the box head's outputs for its proposals.
  std::vector<DetectedObjects> select(const torch::Tensor& logits, const torch::Tensor& deltas,
                                      const std::vector<torch::Tensor>& proposals,
                                      const std::vector<ImageExtent>& extents) const;
  void add_masks(const std::vector<torch::Tensor>& pyramid, std::vector<DetectedObjects>& found);

  Options options_;
  RoiPooler pooler_;
  at::Generator generator_;
  BoxHead bbox_head_{nullptr};
  MaskHead mask_head_{nullptr};
};
TORCH_MODULE(RoiHeads);

/// Masks of objects over boxes: masks uint8 [n, H, W], boxes [n, 4] -> float [n, size, size] of zeros and ones, pooled
/// and cut at one half.
RETENTIVE_API torch::Tensor crop_masks(const torch::Tensor& masks, const torch::Tensor& boxes, int64_t size);

}  // namespace retentive::vision
