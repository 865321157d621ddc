#include <algorithm>
#include <cmath>
#include <string>

#include <retention/base/op_profile.h>
#include <retention/ops/boxes.h>
#include <vision/detection/losses.h>
#include <vision/detection/matcher.h>
#include <vision/detection/retinanet_head.h>

namespace retentive::vision {
namespace {

constexpr MatcherOptions kMatcher = {.positive = 0.5, .negative = 0.4, .low_quality = 0};
constexpr double kPrior = 0.01;
constexpr int64_t kSizeDivisor = 32;

std::vector<ConvLayer> tower(torch::nn::Module& parent, const char* name, const RetinaNetHeadImpl::Options& options) {
  auto list = parent.register_module(name, std::make_shared<torch::nn::Module>());
  const nn::Conv2dOptions conv{.in_channels = options.channels, .out_channels = options.channels};
  std::vector<ConvLayer> layers;
  for (int64_t i = 0; i < options.convs; ++i) {
    layers.push_back(list->register_module(std::to_string(i), ConvLayer(conv)));
  }
  return layers;
}

torch::Tensor run_tower(std::vector<ConvLayer>& tower, torch::Tensor x) {
  for (auto& layer : tower) x = layer->forward(x, Activation::relu);
  return x;
}

}  // namespace

std::vector<torch::Tensor> anchors_inside(const AnchorGenerator& anchors, const std::vector<torch::Tensor>& pyramid,
                                          const ImageExtent& extent) {
  const auto padded = [](int64_t side) { return (side + kSizeDivisor - 1) / kSizeDivisor * kSizeDivisor; };
  std::vector<torch::Tensor> inside;
  for (size_t i = 0; i < pyramid.size(); ++i) {
    inside.push_back(
        anchors.inside(i, pyramid[i].size(1), pyramid[i].size(2), padded(extent.height), padded(extent.width)));
  }
  return inside;
}

DetectedObjects select_detections(const torch::Tensor& boxes, const torch::Tensor& scores,
                                  const DetectionLimits& limits) {
  const auto found = (scores > limits.score_threshold).nonzero();  // [m, 2]
  const auto row = found.select(1, 0), label = found.select(1, 1);
  const auto score = scores.index({row, label});
  const auto box = boxes.dim() == 3 ? boxes.index({row, label}) : boxes.index_select(0, row);
  const auto kept = batched_nms(box, score, label, limits.nms_threshold).slice(0, 0, limits.max_detections);
  return {box.index_select(0, kept), score.index_select(0, kept), label.index_select(0, kept), {}};
}

RetinaNetHeadImpl::RetinaNetHeadImpl(const Options& options) : options_(options), anchors_(options.anchors) {
  cls_convs_ = tower(*this, "cls_convs", options);
  reg_convs_ = tower(*this, "reg_convs", options);
  const auto output = [&](const char* name, int64_t values) {
    auto conv = register_module(name, nn::Conv2d(nn::Conv2dOptions{.in_channels = options.channels,
                                                                   .out_channels = anchors_.per_cell() * values}));
    conv->keep_output_float();
    return conv;
  };
  retina_cls_ = output("retina_cls", options.num_classes);
  retina_reg_ = output("retina_reg", 4);
}

RetinaNetHeadImpl::~RetinaNetHeadImpl() = default;

std::vector<DenseOutput> RetinaNetHeadImpl::forward(const std::vector<torch::Tensor>& pyramid) {
  std::vector<DenseOutput> outputs;
  for (const auto& map : pyramid) {
    const auto B = map.size(0);
    const auto scores = retina_cls_->forward(run_tower(cls_convs_, map));  // [B, h, w, A * K]
    const auto deltas = retina_reg_->forward(run_tower(reg_convs_, map));  // [B, h, w, A * 4]
    outputs.push_back({scores.reshape({B, -1, options_.num_classes}), deltas.reshape({B, -1, 4})});
  }
  return outputs;
}

Losses RetinaNetHeadImpl::losses(const std::vector<torch::Tensor>& pyramid, const std::vector<ImageExtent>& extents,
                                 const std::vector<DetectionTarget>& targets) {
  std::vector<torch::Tensor> scores, deltas;
  for (const auto& output : forward(pyramid)) {
    scores.push_back(output.scores);
    deltas.push_back(output.deltas);
  }
  const auto all_scores = torch::cat(scores, 1);             // [B, n, K]
  const auto all_deltas = torch::cat(deltas, 1);             // [B, n, 4]
  const auto anchors = torch::cat(anchors_.grids(pyramid));  // [n, 4]
  auto class_loss = torch::zeros({}), box_loss = torch::zeros({});
  int64_t positives = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto& target = targets[i];
    const auto inside = torch::cat(anchors_inside(anchors_, pyramid, extents[i]));
    const auto matched = match(pairwise_iou(target.boxes, anchors), kMatcher).masked_fill_(~inside, kIgnored);
    const auto counted = (matched != kIgnored).nonzero().squeeze(1);
    const auto object = matched.index_select(0, counted);
    auto labels = torch::full_like(object, kBackground);
    const auto positive = (matched >= 0).nonzero().squeeze(1);
    const auto image = static_cast<int64_t>(i);
    if (positive.size(0) > 0) {
      labels = torch::where(object >= 0, target.labels.index_select(0, object.clamp_min(0)), labels);
      const auto wanted = box_encode(anchors.index_select(0, positive),
                                     target.boxes.index_select(0, matched.index_select(0, positive)));
      box_loss = box_loss + (all_deltas[image].index_select(0, positive) - wanted).abs().sum();
    }
    class_loss = class_loss + focal_loss(all_scores[image].index_select(0, counted), labels);
    positives += std::max<int64_t>(positive.size(0), 1);
  }
  const auto count = static_cast<double>(positives);
  return {{"loss_cls", class_loss / count}, {"loss_bbox", box_loss / count}};
}

std::vector<DetectedObjects> RetinaNetHeadImpl::detect(const std::vector<torch::Tensor>& pyramid,
                                                       const std::vector<ImageExtent>& extents) {
  const auto outputs = timed_stage("head", [&] { return forward(pyramid); });
  return timed_stage("decoding, suppression", [&] {
    const auto anchors = anchors_.grids(pyramid);
    std::vector<DetectedObjects> found;
    for (size_t i = 0; i < extents.size(); ++i) {
      found.push_back(detect_one(outputs, anchors, static_cast<int64_t>(i), extents[i]));
    }
    return found;
  });
}

DetectedObjects RetinaNetHeadImpl::detect_one(const std::vector<DenseOutput>& outputs,
                                              const std::vector<torch::Tensor>& anchors, int64_t image,
                                              const ImageExtent& extent) const {
  std::vector<torch::Tensor> boxes, scores;
  for (size_t level = 0; level < outputs.size(); ++level) {
    auto logits = outputs[level].scores[image];  // [n, K]
    auto deltas = outputs[level].deltas[image];
    auto anchor = anchors[level];
    if (logits.size(0) > options_.limits.candidates_per_level) {
      const auto best = std::get<1>(logits.amax(1).topk(options_.limits.candidates_per_level));
      logits = logits.index_select(0, best);
      deltas = deltas.index_select(0, best);
      anchor = anchor.index_select(0, best);
    }
    boxes.push_back(box_decode(anchor, deltas, {1, 1, 1, 1}, {{extent.height, extent.width}}));
    scores.push_back(logits.sigmoid());
  }
  return select_detections(torch::cat(boxes), torch::cat(scores), options_.limits);
}

void RetinaNetHeadImpl::initialize(at::Generator generator) {
  constexpr double kStd = 0.01;
  for (auto* tower : {&cls_convs_, &reg_convs_}) {
    for (auto& layer : *tower) layer->conv()->initialize_normal(kStd, 0, generator);
  }
  retina_cls_->initialize_normal(kStd, -std::log((1 - kPrior) / kPrior), generator);
  retina_reg_->initialize_normal(kStd, 0, generator);
}

}  // namespace retentive::vision
