#include <retention/base/error.h>
#include <retention/base/op_profile.h>
#include <retention/nn/norm.h>
#include <retention/ops/detail/shape_text.h>
#include <vision/detection/detector.h>
#include <vision/rmt.h>
#include <vision/vir.h>

namespace retentive::vision {
namespace {

using retentive::detail::shape_text;

struct BackboneBuilder {
  std::shared_ptr<BackboneImpl> operator()(const RmtConfig& config) const { return std::make_shared<RmtImpl>(config); }
  std::shared_ptr<BackboneImpl> operator()(const VirConfig& config) const { return std::make_shared<VirImpl>(config); }
};

bool has_stages(const BackboneConfig& config) { return std::holds_alternative<RmtConfig>(config); }

}  // namespace

DetectorImpl::DetectorImpl(const BackboneConfig& backbone, int64_t first_stage, int64_t channels, TopLevels top)
    : backbone_(register_module("backbone", std::visit(BackboneBuilder{}, backbone))) {
  const auto info = backbone_->feature_info();
  const auto last = static_cast<int64_t>(info.size()) - 1;
  if (!has_stages(backbone)) {
    stages_ = {last};
    neck_ =
        register_module<NeckImpl>("neck", std::make_shared<SimplePyramidImpl>(info.back(), first_stage, channels, top));
    return;
  }
  for (int64_t stage = first_stage; stage <= last; ++stage) stages_.push_back(stage);
  const std::vector<FeatureInfo> inputs(info.begin() + first_stage, info.end());
  neck_ = register_module<NeckImpl>("neck", std::make_shared<FpnImpl>(inputs, channels, top));
}

DetectorImpl::~DetectorImpl() = default;

void DetectorImpl::check(const torch::Tensor& images, const std::vector<ImageExtent>& extents) const {
  if (images.dim() != 4 || images.numel() == 0 || images.size(0) != static_cast<int64_t>(extents.size())) {
    throw InvalidArgument("[detector] images are " + shape_text(images) + " with " + std::to_string(extents.size()) +
                          " extents; a non-empty [B, C, H, W] with an extent for each image is accepted");
  }
  for (const auto& extent : extents) {
    if (extent.height >= 1 && extent.width >= 1 && extent.height <= images.size(2) && extent.width <= images.size(3)) {
      continue;
    }
    throw InvalidArgument("[detector] an image fills " + std::to_string(extent.height) + " x " +
                          std::to_string(extent.width) + " of the input " + shape_text(images) +
                          "; an extent of at least one pixel within it is accepted");
  }
}

std::vector<torch::Tensor> DetectorImpl::forward_pyramid(const torch::Tensor& images) {
  const auto maps =
      timed_stage("backbone", [&] { return backbone_->forward_intermediates(images, stages_, Layout::nhwc); });
  return timed_stage("neck", [&] { return neck_->forward(maps); });
}

Losses DetectorImpl::losses(const torch::Tensor& images, const std::vector<ImageExtent>& extents,
                            const std::vector<DetectionTarget>& targets) {
  check(images, extents);
  if (targets.size() != extents.size()) {
    throw InvalidArgument("[detector] " + std::to_string(targets.size()) + " targets are given for " +
                          std::to_string(extents.size()) + " images; give one for each");
  }
  for (const auto& target : targets) {
    const auto n = target.labels.size(0);
    const bool fits =
        target.boxes.dim() == 2 && target.boxes.size(0) == n && target.boxes.size(1) == 4 &&
        (!has_masks() || (target.masks.defined() && target.masks.dim() == 3 && target.masks.size(0) == n));
    const bool known =
        n == 0 || (target.labels.min().item<int64_t>() >= 0 && target.labels.max().item<int64_t>() < num_classes());
    if (fits && known) continue;
    throw InvalidArgument("[detector] a target has boxes " + shape_text(target.boxes) + " and labels " +
                          shape_text(target.labels) + "; [n, 4] and [n] with labels below " +
                          std::to_string(num_classes()) + (has_masks() ? ", and masks [n, H, W]," : "") +
                          " are accepted");
  }
  return head_losses(forward_pyramid(images), extents, targets);
}

std::vector<DetectedObjects> DetectorImpl::detect(const torch::Tensor& images,
                                                  const std::vector<ImageExtent>& extents) {
  check(images, extents);
  return head_detect(forward_pyramid(images), extents);
}

void DetectorImpl::initialize(at::Generator generator) {
  backbone_->initialize(generator);
  neck_->initialize(generator);
  initialize_heads(generator);
}

void DetectorImpl::set_generator(const at::Generator& generator) { backbone_->set_generator(generator); }

std::vector<ParameterGroup> DetectorImpl::parameter_groups(double layer_decay, double backbone_scale) const {
  auto groups = backbone_->parameter_groups(layer_decay);
  for (auto& group : groups) {
    group.lr_scale *= backbone_scale;
    for (auto& name : group.names) name = "backbone." + name;
  }
  ParameterGroup decayed, plain{.weight_decay = false};
  for (const auto& item : named_parameters()) {
    if (item.key().starts_with("backbone.") || !item.value().requires_grad()) continue;
    auto& group = item.value().dim() > 1 ? decayed : plain;
    group.names.push_back(item.key());
    group.parameters.push_back(item.value());
  }
  for (auto* group : {&decayed, &plain}) {
    if (!group->names.empty()) groups.push_back(std::move(*group));
  }
  return groups;
}

void DetectorImpl::freeze_layers(int64_t layers) {
  for (auto& item : backbone_->named_parameters()) {
    if (backbone_->layer_of(item.key()) < layers) item.value().set_requires_grad(false);
  }
  freeze_norms_of(layers);
}

void DetectorImpl::freeze_norms() { freeze_norms_of(backbone_->num_layers()); }

void DetectorImpl::freeze_norms_of(int64_t layers) {
  for (const auto& part : backbone_->named_modules("", false)) {
    auto* norm = part.value()->as<nn::BatchNormImpl>();
    if (norm == nullptr || backbone_->layer_of(part.key()) >= layers) continue;
    for (auto& parameter : norm->parameters()) parameter.set_requires_grad(false);
    norm->eval();
    frozen_norms_.push_back(norm);
  }
}

void DetectorImpl::train(bool on) {
  Module::train(on);
  for (auto* norm : frozen_norms_) norm->eval();
}

}  // namespace retentive::vision
