#include <models/mask_rcnn.h>
#include <retention/base/op_profile.h>

namespace retentive::models {
namespace {

const vision::MaskRcnnConfig& checked(const vision::MaskRcnnConfig& config) {
  config.validate();
  return config;
}

vision::RpnHeadImpl::Options rpn_options(const vision::MaskRcnnConfig& config, const std::vector<int64_t>& strides) {
  return {.channels = config.fpn_channels,
          .anchors = {strides, {config.anchor_scale}, config.anchor_ratios},
          .train_candidates_per_level = config.train_candidates_per_level,
          .candidates_per_level = config.candidates_per_level,
          .proposals = config.proposals,
          .nms_threshold = config.proposal_nms_threshold,
          .samples = config.rpn_samples};
}

vision::RoiHeadsImpl::Options roi_options(const vision::MaskRcnnConfig& config, const std::vector<int64_t>& strides) {
  return {.channels = config.fpn_channels,
          .strides = {strides.begin(), strides.end() - 1},  // the level above the backbone's is for proposals alone
          .num_classes = config.num_classes,
          .samples = config.roi_samples,
          .box_pool = config.box_pool,
          .fc_dim = config.fc_dim,
          .masks = config.masks,
          .mask_pool = config.mask_pool,
          .mask_convs = config.mask_convs,
          .mask_channels = config.mask_channels,
          .limits = {.score_threshold = config.score_threshold,
                     .nms_threshold = config.nms_threshold,
                     .max_detections = config.max_detections}};
}

}  // namespace

MaskRcnnImpl::MaskRcnnImpl(const vision::MaskRcnnConfig& config)
    : DetectorImpl(checked(config).backbone, /*first_stage=*/0, config.fpn_channels, vision::TopLevels::subsample),
      config_(config) {
  rpn_head_ = register_module("rpn_head", vision::RpnHead(rpn_options(config, neck().strides())));
  roi_head_ = register_module("roi_head", vision::RoiHeads(roi_options(config, neck().strides())));
}

MaskRcnnImpl::~MaskRcnnImpl() = default;

void MaskRcnnImpl::set_generator(const at::Generator& generator) {
  DetectorImpl::set_generator(generator);
  rpn_head_->set_generator(generator);
  roi_head_->set_generator(generator);
}

vision::Losses MaskRcnnImpl::head_losses(const std::vector<torch::Tensor>& pyramid,
                                         const std::vector<vision::ImageExtent>& extents,
                                         const std::vector<vision::DetectionTarget>& targets) {
  const auto outputs = rpn_head_->forward(pyramid);
  auto terms = rpn_head_->losses(pyramid, outputs, extents, targets);
  for (auto& term : roi_head_->losses(pyramid, rpn_head_->proposals(pyramid, outputs, extents), targets)) {
    terms.push_back(std::move(term));
  }
  return terms;
}

std::vector<vision::DetectedObjects> MaskRcnnImpl::head_detect(const std::vector<torch::Tensor>& pyramid,
                                                               const std::vector<vision::ImageExtent>& extents) {
  const auto outputs = timed_stage("proposal head", [&] { return rpn_head_->forward(pyramid); });
  const auto proposals = timed_stage("proposals", [&] { return rpn_head_->proposals(pyramid, outputs, extents); });
  return roi_head_->detect(pyramid, proposals, extents);
}

void MaskRcnnImpl::initialize_heads(at::Generator generator) {
  rpn_head_->initialize(generator);
  roi_head_->initialize(generator);
}

}  // namespace retentive::models
