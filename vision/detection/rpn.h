#pragma once

#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <vision/detection/anchors.h>
#include <vision/detection/neck.h>
#include <vision/detection/retinanet_head.h>
#include <vision/detection/structures.h>

namespace retentive::vision {

/// Region proposal network (Ren et al., Faster R-CNN, 2015) on a pyramid. Keys `rpn_conv`, `rpn_cls`, `rpn_reg`.
class RETENTIVE_API RpnHeadImpl : public torch::nn::Module {
 public:
  struct Options {
    int64_t channels = 256;
    AnchorOptions anchors;
    int64_t train_candidates_per_level = 2000;
    int64_t candidates_per_level = 1000;
    int64_t proposals = 1000;
    double nms_threshold = 0.7;
    int64_t samples = 256;
  };

  explicit RpnHeadImpl(const Options& options);
  ~RpnHeadImpl() override;

  /// Pyramid [B, h, w, C] -> objectness (K = 1) and deltas of each level.
  std::vector<DenseOutput> forward(const std::vector<torch::Tensor>& pyramid);

  /// Proposals of each image, best first, without graph: [n, 4].
  std::vector<torch::Tensor> proposals(const std::vector<torch::Tensor>& pyramid,
                                       const std::vector<DenseOutput>& outputs,
                                       const std::vector<ImageExtent>& extents) const;

  /// Binary cross entropy of the objectness and L1 loss of the deltas of sampled anchors, over their number:
  /// `loss_rpn_cls`, `loss_rpn_bbox`. IoU thresholds 0.7 and 0.3.
  Losses losses(const std::vector<torch::Tensor>& pyramid, const std::vector<DenseOutput>& outputs,
                const std::vector<ImageExtent>& extents, const std::vector<DetectionTarget>& targets) const;

  /// Weights normal of standard deviation 0.01, biases 0.
  void initialize(at::Generator generator);
  void set_generator(const at::Generator& generator) { generator_ = generator; }

 private:
  torch::Tensor proposals_of(const std::vector<DenseOutput>& outputs, const std::vector<torch::Tensor>& anchors,
                             int64_t image, const ImageExtent& extent) const;

  Options options_;
  AnchorGenerator anchors_;
  at::Generator generator_;
  nn::Conv2d rpn_conv_{nullptr};
  nn::Conv2d rpn_cls_{nullptr};
  nn::Conv2d rpn_reg_{nullptr};
};
TORCH_MODULE(RpnHead);

}  // namespace retentive::vision
