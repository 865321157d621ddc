#include <models/retinanet.h>

namespace retentive::models {
namespace {

const vision::RetinanetConfig& checked(const vision::RetinanetConfig& config) {
  config.validate();
  return config;
}

}  // namespace

RetinanetImpl::RetinanetImpl(const vision::RetinanetConfig& config)
    : DetectorImpl(checked(config).backbone, config.first_stage, config.fpn_channels, vision::TopLevels::convolutions),
      config_(config) {
  bbox_head_ = register_module(
      "bbox_head",
      vision::RetinaNetHead(vision::RetinaNetHeadImpl::Options{
          .channels = config.fpn_channels,
          .convs = config.head_convs,
          .num_classes = config.num_classes,
          .anchors = {neck().strides(), vision::octave_scales(config.anchor_scale, config.scales_per_octave),
                      config.anchor_ratios},
          .limits = {config.candidates_per_level, config.score_threshold, config.nms_threshold,
                     config.max_detections}}));
}

RetinanetImpl::~RetinanetImpl() = default;

vision::Losses RetinanetImpl::head_losses(const std::vector<torch::Tensor>& pyramid,
                                          const std::vector<vision::ImageExtent>& extents,
                                          const std::vector<vision::DetectionTarget>& targets) {
  return bbox_head_->losses(pyramid, extents, targets);
}

std::vector<vision::DetectedObjects> RetinanetImpl::head_detect(const std::vector<torch::Tensor>& pyramid,
                                                                const std::vector<vision::ImageExtent>& extents) {
  return bbox_head_->detect(pyramid, extents);
}

void RetinanetImpl::initialize_heads(at::Generator generator) { bbox_head_->initialize(generator); }

}  // namespace retentive::models
