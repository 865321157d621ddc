#include <algorithm>

#include <retention/ops/boxes.h>
#include <vision/detection/matcher.h>
#include <vision/detection/rpn.h>

namespace retentive::vision {
namespace {

constexpr MatcherOptions kMatcher = {.positive = 0.7, .negative = 0.3, .low_quality = 0.3};
constexpr double kPositiveShare = 0.5;

}  // namespace

RpnHeadImpl::RpnHeadImpl(const Options& options)
    : options_(options), anchors_(options.anchors), generator_(at::detail::getDefaultCPUGenerator()) {
  const auto conv = [&](const char* name, int64_t out, int64_t kernel) {
    return register_module(
        name, nn::Conv2d(nn::Conv2dOptions{.in_channels = options.channels, .out_channels = out, .kernel = kernel}));
  };
  rpn_conv_ = conv("rpn_conv", options.channels, 3);
  rpn_cls_ = conv("rpn_cls", anchors_.per_cell(), 1);
  rpn_reg_ = conv("rpn_reg", anchors_.per_cell() * 4, 1);
  rpn_cls_->keep_output_float();
  rpn_reg_->keep_output_float();
}

RpnHeadImpl::~RpnHeadImpl() = default;

std::vector<DenseOutput> RpnHeadImpl::forward(const std::vector<torch::Tensor>& pyramid) {
  std::vector<DenseOutput> outputs;
  for (const auto& map : pyramid) {
    const auto B = map.size(0);
    const auto hidden = rpn_conv_->forward(map, Activation::relu);
    outputs.push_back({rpn_cls_->forward(hidden).reshape({B, -1, 1}), rpn_reg_->forward(hidden).reshape({B, -1, 4})});
  }
  return outputs;
}

std::vector<torch::Tensor> RpnHeadImpl::proposals(const std::vector<torch::Tensor>& pyramid,
                                                  const std::vector<DenseOutput>& outputs,
                                                  const std::vector<ImageExtent>& extents) const {
  const torch::NoGradGuard no_grad;
  const auto anchors = anchors_.grids(pyramid);
  std::vector<torch::Tensor> boxes;
  for (size_t i = 0; i < extents.size(); ++i) {
    boxes.push_back(proposals_of(outputs, anchors, static_cast<int64_t>(i), extents[i]));
  }
  return boxes;
}

torch::Tensor RpnHeadImpl::proposals_of(const std::vector<DenseOutput>& outputs,
                                        const std::vector<torch::Tensor>& anchors, int64_t image,
                                        const ImageExtent& extent) const {
  const auto most = is_training() ? options_.train_candidates_per_level : options_.candidates_per_level;
  std::vector<torch::Tensor> boxes, scores, levels;
  for (size_t level = 0; level < outputs.size(); ++level) {
    const auto logits = outputs[level].scores[image].squeeze(1);  // [n]
    const auto [best, index] = logits.topk(std::min(most, logits.size(0)));
    boxes.push_back(box_decode(anchors[level].index_select(0, index),
                               outputs[level].deltas[image].index_select(0, index), {1, 1, 1, 1},
                               {{extent.height, extent.width}}));
    scores.push_back(best.sigmoid());
    levels.push_back(torch::full_like(index, static_cast<int64_t>(level)));
  }
  const auto all = torch::cat(boxes);  // [n, 4]
  const auto sides = all.slice(1, 2) - all.slice(1, 0, 2);
  const auto real = (sides > 0).all(1).nonzero().squeeze(1);
  const auto candidates = all.index_select(0, real);
  const auto kept = batched_nms(candidates, torch::cat(scores).index_select(0, real),
                                torch::cat(levels).index_select(0, real), options_.nms_threshold);
  return candidates.index_select(0, kept.slice(0, 0, options_.proposals));
}

Losses RpnHeadImpl::losses(const std::vector<torch::Tensor>& pyramid, const std::vector<DenseOutput>& outputs,
                           const std::vector<ImageExtent>& extents, const std::vector<DetectionTarget>& targets) const {
  std::vector<torch::Tensor> scores, deltas;
  for (const auto& output : outputs) {
    scores.push_back(output.scores.squeeze(2));
    deltas.push_back(output.deltas);
  }
  const auto all_scores = torch::cat(scores, 1);             // [B, n]
  const auto all_deltas = torch::cat(deltas, 1);             // [B, n, 4]
  const auto anchors = torch::cat(anchors_.grids(pyramid));  // [n, 4]
  auto class_loss = torch::zeros({}), box_loss = torch::zeros({});
  int64_t samples = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto& target = targets[i];
    const auto image = static_cast<int64_t>(i);
    const auto inside = torch::cat(anchors_inside(anchors_, pyramid, extents[i]));
    const auto matched = match(pairwise_iou(target.boxes, anchors), kMatcher).masked_fill_(~inside, kIgnored);
    const auto [positive, background] = sample(matched, options_.samples, kPositiveShare, generator_);
    const auto logits = all_scores[image].index_select(0, torch::cat({positive, background}));
    const auto object = torch::arange(logits.size(0)) < positive.size(0);
    class_loss = class_loss +
                 torch::binary_cross_entropy_with_logits(logits, object.to(torch::kFloat), {}, {}, at::Reduction::Sum);
    samples += logits.size(0);
    if (positive.size(0) == 0) continue;
    const auto wanted =
        box_encode(anchors.index_select(0, positive), target.boxes.index_select(0, matched.index_select(0, positive)));
    box_loss = box_loss + (all_deltas[image].index_select(0, positive) - wanted).abs().sum();
  }
  const auto count = static_cast<double>(std::max<int64_t>(samples, 1));
  return {{"loss_rpn_cls", class_loss / count}, {"loss_rpn_bbox", box_loss / count}};
}

void RpnHeadImpl::initialize(at::Generator generator) {
  for (auto* conv : {&rpn_conv_, &rpn_cls_, &rpn_reg_}) (*conv)->initialize_normal(0.01, 0, generator);
}

}  // namespace retentive::vision
