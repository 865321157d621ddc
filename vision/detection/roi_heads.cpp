#include <algorithm>

#include <retention/base/op_profile.h>
#include <retention/ops/boxes.h>
#include <vision/detection/matcher.h>
#include <vision/detection/roi_heads.h>

namespace retentive::vision {
namespace {

constexpr MatcherOptions kMatcher = {.positive = 0.5, .negative = 0.5, .low_quality = 0.5};
constexpr double kPositiveShare = 0.25;
constexpr BoxStds kDeltaStds = {0.1, 0.1, 0.2, 0.2};

}  // namespace

RoiHeadsImpl::RoiHeadsImpl(const Options& options)
    : options_(options), pooler_(options.strides), generator_(at::detail::getDefaultCPUGenerator()) {
  bbox_head_ =
      register_module("bbox_head", BoxHead(options.channels, options.box_pool, options.fc_dim, options.num_classes));
  if (!options.masks) return;
  mask_head_ = register_module(
      "mask_head", MaskHead(options.channels, options.mask_convs, options.mask_channels, options.num_classes));
}

RoiHeadsImpl::~RoiHeadsImpl() = default;

RoiHeadsImpl::Sample RoiHeadsImpl::sample_proposals(const torch::Tensor& proposals,
                                                    const DetectionTarget& target) const {
  const auto candidates = torch::cat({target.boxes, proposals});
  const auto matched = match(pairwise_iou(target.boxes, candidates), kMatcher);
  const auto [positive, background] = sample(matched, options_.samples, kPositiveShare, generator_);
  return {candidates.index_select(0, torch::cat({positive, background})), matched.index_select(0, positive)};
}

Losses RoiHeadsImpl::losses(const std::vector<torch::Tensor>& pyramid, const std::vector<torch::Tensor>& proposals,
                            const std::vector<DetectionTarget>& targets) {
  std::vector<Sample> samples;
  std::vector<torch::Tensor> boxes, labels, positives, wanted;
  int64_t first = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    samples.push_back(sample_proposals(proposals[i], targets[i]));
    const auto& [sampled, objects] = samples.back();
    const auto count = sampled.size(0), positive = objects.size(0);
    boxes.push_back(sampled);
    labels.push_back(torch::cat({targets[i].labels.index_select(0, objects),
                                 torch::full({count - positive}, options_.num_classes, torch::kLong)}));
    positives.push_back(torch::arange(first, first + positive));
    wanted.push_back(box_encode(sampled.slice(0, 0, positive), targets[i].boxes.index_select(0, objects), kDeltaStds));
    first += count;
  }
  const auto all_labels = torch::cat(labels), positive = torch::cat(positives);
  const auto count = static_cast<double>(std::max<int64_t>(first, 1));
  const auto [logits, deltas] = bbox_head_->forward(pooler_.pool(pyramid, boxes, options_.box_pool));
  const auto class_loss = torch::cross_entropy_loss(logits, all_labels, {}, at::Reduction::Sum) / count;
  const auto predicted = deltas.index({positive, all_labels.index_select(0, positive)});  // [p, 4]
  const auto box_loss = (predicted - torch::cat(wanted)).abs().sum() / count;
  Losses terms = {{"loss_cls", class_loss}, {"loss_bbox", box_loss}};
  if (options_.masks) terms.emplace_back("loss_mask", mask_loss(pyramid, samples, targets));
  return terms;
}

torch::Tensor RoiHeadsImpl::mask_loss(const std::vector<torch::Tensor>& pyramid, const std::vector<Sample>& samples,
                                      const std::vector<DetectionTarget>& targets) {
  const auto size = 2 * options_.mask_pool;
  std::vector<torch::Tensor> boxes, labels, wanted;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto& objects = samples[i].objects;
    boxes.push_back(samples[i].boxes.slice(0, 0, objects.size(0)));
    labels.push_back(targets[i].labels.index_select(0, objects));
    wanted.push_back(crop_masks(targets[i].masks.index_select(0, objects), boxes.back(), size));
  }
  const auto logits = mask_head_->forward(pooler_.pool(pyramid, boxes, options_.mask_pool));  // [p, K, size, size]
  const auto p = logits.size(0);
  if (p == 0) return logits.sum();
  const auto own = logits.index({torch::arange(p), torch::cat(labels)});
  return torch::binary_cross_entropy_with_logits(own, torch::cat(wanted));
}

std::vector<DetectedObjects> RoiHeadsImpl::detect(const std::vector<torch::Tensor>& pyramid,
                                                  const std::vector<torch::Tensor>& proposals,
                                                  const std::vector<ImageExtent>& extents) {
  const auto regions = timed_stage("box regions", [&] { return pooler_.pool(pyramid, proposals, options_.box_pool); });
  const auto [logits, deltas] = timed_stage("box head", [&] { return bbox_head_->forward(regions); });
  auto found = timed_stage("decoding, suppression", [&] { return select(logits, deltas, proposals, extents); });
  if (options_.masks) timed_stage("masks", [&] { return add_masks(pyramid, found); });
  return found;
}

std::vector<DetectedObjects> RoiHeadsImpl::select(const torch::Tensor& logits, const torch::Tensor& deltas,
                                                  const std::vector<torch::Tensor>& proposals,
                                                  const std::vector<ImageExtent>& extents) const {
  const auto K = options_.num_classes;
  const auto scores = logits.softmax(1).slice(1, 0, K);  // [n, K]
  std::vector<DetectedObjects> found;
  int64_t first = 0;
  for (size_t i = 0; i < proposals.size(); ++i) {
    const auto n = proposals[i].size(0);
    const auto anchors = proposals[i].unsqueeze(1).expand({n, K, 4}).reshape({-1, 4});
    const auto boxes = box_decode(anchors, deltas.slice(0, first, first + n).reshape({-1, 4}), kDeltaStds,
                                  {{extents[i].height, extents[i].width}});
    found.push_back(select_detections(boxes.view({n, K, 4}), scores.slice(0, first, first + n), options_.limits));
    first += n;
  }
  return found;
}

void RoiHeadsImpl::add_masks(const std::vector<torch::Tensor>& pyramid, std::vector<DetectedObjects>& found) {
  std::vector<torch::Tensor> boxes, labels;
  for (const auto& objects : found) {
    boxes.push_back(objects.boxes);
    labels.push_back(objects.labels);
  }
  const auto label = torch::cat(labels);
  const auto size = 2 * options_.mask_pool;
  auto masks = torch::zeros({0, size, size});
  if (label.size(0) > 0) {
    const auto logits = mask_head_->forward(pooler_.pool(pyramid, boxes, options_.mask_pool));
    masks = logits.index({torch::arange(label.size(0)), label}).sigmoid();
  }
  int64_t first = 0;
  for (auto& objects : found) {
    const auto n = objects.boxes.size(0);
    objects.masks = masks.slice(0, first, first + n);
    first += n;
  }
}

void RoiHeadsImpl::initialize(at::Generator generator) {
  bbox_head_->initialize(generator);
  if (!mask_head_.is_empty()) mask_head_->initialize(generator);
}

}  // namespace retentive::vision
