#pragma once

#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <vision/detection/detector.h>
#include <vision/detection/retinanet_head.h>

namespace retentive::models {

/// RetinaNet (Lin et al., Focal loss for dense object detection, 2017) on a retention backbone, as the RMT paper
/// trains it. Keys `backbone.*`, `neck.*`, `bbox_head.*`.
class RETENTIVE_API RetinanetImpl : public vision::DetectorImpl {
 public:
  /// Throws ConfigError when the configuration is not a possible RetinaNet.
  explicit RetinanetImpl(const vision::RetinanetConfig& config);
  ~RetinanetImpl() override;

  int64_t num_classes() const override { return config_.num_classes; }
  bool has_masks() const override { return false; }
  const vision::RetinanetConfig& config() const { return config_; }

 protected:
  vision::Losses head_losses(const std::vector<torch::Tensor>& pyramid, const std::vector<vision::ImageExtent>& extents,
                             const std::vector<vision::DetectionTarget>& targets) override;
  std::vector<vision::DetectedObjects> head_detect(const std::vector<torch::Tensor>& pyramid,
                                                   const std::vector<vision::ImageExtent>& extents) override;
  void initialize_heads(at::Generator generator) override;

 private:
  vision::RetinanetConfig config_;
  vision::RetinaNetHead bbox_head_{nullptr};
};
TORCH_MODULE(Retinanet);

}  // namespace retentive::models
