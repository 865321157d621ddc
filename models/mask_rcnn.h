#pragma once

#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <vision/detection/detector.h>
#include <vision/detection/roi_heads.h>
#include <vision/detection/rpn.h>

namespace retentive::models {

/// Mask R-CNN (He et al., 2017) on a retention backbone, as the RMT paper trains it; Faster R-CNN (Ren et al., 2015)
/// without its mask head. Keys `backbone.*`, `neck.*`, `rpn_head.*`, `roi_head.bbox_head.*`, `roi_head.mask_head.*`.
class RETENTIVE_API MaskRcnnImpl : public vision::DetectorImpl {
 public:
  /// Throws ConfigError when the configuration is not a possible Mask R-CNN.
  explicit MaskRcnnImpl(const vision::MaskRcnnConfig& config);
  ~MaskRcnnImpl() override;

  int64_t num_classes() const override { return config_.num_classes; }
  bool has_masks() const override { return config_.masks; }
  double mask_threshold() const override { return config_.mask_threshold; }
  void set_generator(const at::Generator& generator) override;
  const vision::MaskRcnnConfig& config() const { return config_; }

 protected:
  vision::Losses head_losses(const std::vector<torch::Tensor>& pyramid, const std::vector<vision::ImageExtent>& extents,
                             const std::vector<vision::DetectionTarget>& targets) override;
  std::vector<vision::DetectedObjects> head_detect(const std::vector<torch::Tensor>& pyramid,
                                                   const std::vector<vision::ImageExtent>& extents) override;
  void initialize_heads(at::Generator generator) override;

 private:
  vision::MaskRcnnConfig config_;
  vision::RpnHead rpn_head_{nullptr};
  vision::RoiHeads roi_head_{nullptr};
};
TORCH_MODULE(MaskRcnn);

}  // namespace retentive::models
