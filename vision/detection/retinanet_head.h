#pragma once

#include <string>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <vision/detection/anchors.h>
#include <vision/detection/neck.h>
#include <vision/detection/structures.h>

namespace retentive::vision {

/// Thresholds and limits of turning outputs into detections.
struct DetectionLimits {
  int64_t candidates_per_level = 1000;
  double score_threshold = 0.05;
  double nms_threshold = 0.5;
  int64_t max_detections = 100;
};

/// Boxes with class scores -> the detections of one image: scores of at least the threshold, non-maximum suppression
/// within each class, the best ones first. boxes [n, 4], or [n, K, 4] with a box for each class; scores [n, K].
DetectedObjects select_detections(const torch::Tensor& boxes, const torch::Tensor& scores,
                                  const DetectionLimits& limits);

/// Outputs of a dense head at one level.
struct DenseOutput {
  torch::Tensor scores;  ///< logits [B, h * w * anchors, K]
  torch::Tensor deltas;  ///< [B, h * w * anchors, 4]
};

/// RetinaNet's head (Lin et al., 2017), shared by all levels of a pyramid. Keys `cls_convs.<i>.conv`,
/// `reg_convs.<i>.conv`, `retina_cls`, `retina_reg`.
class RETENTIVE_API RetinaNetHeadImpl : public torch::nn::Module {
 public:
  struct Options {
    int64_t channels = 256;
    int64_t convs = 4;
    int64_t num_classes = 80;
    AnchorOptions anchors;
    DetectionLimits limits;
  };

  explicit RetinaNetHeadImpl(const Options& options);
  ~RetinaNetHeadImpl() override;

  /// Pyramid [B, h, w, C] -> outputs of each level.
  std::vector<DenseOutput> forward(const std::vector<torch::Tensor>& pyramid);

  /// Focal loss of the scores and L1 loss of the box deltas, both over the number of positive anchors:
  /// `loss_cls`, `loss_bbox`. IoU thresholds 0.5 and 0.4, and every object's best anchors.
  Losses losses(const std::vector<torch::Tensor>& pyramid, const std::vector<ImageExtent>& extents,
                const std::vector<DetectionTarget>& targets);

  /// Detections of each image of a batch.
  std::vector<DetectedObjects> detect(const std::vector<torch::Tensor>& pyramid,
                                      const std::vector<ImageExtent>& extents);

  /// Weights normal of standard deviation 0.01, biases 0; classes begin at probability 0.01.
  void initialize(at::Generator generator);

 private:
  DetectedObjects detect_one(const std::vector<DenseOutput>& outputs, const std::vector<torch::Tensor>& anchors,
                             int64_t image, const ImageExtent& extent) const;

  Options options_;
  AnchorGenerator anchors_;
  std::vector<ConvLayer> cls_convs_;
  std::vector<ConvLayer> reg_convs_;
  nn::Conv2d retina_cls_{nullptr};
  nn::Conv2d retina_reg_{nullptr};
};
TORCH_MODULE(RetinaNetHead);

/// Which anchors of a padded batch lie in the pixels of an image, its sides rounded up to `divisor`: bool, one tensor a
/// level.
std::vector<torch::Tensor> anchors_inside(const AnchorGenerator& anchors, const std::vector<torch::Tensor>& pyramid,
                                          const ImageExtent& extent);

}  // namespace retentive::vision
