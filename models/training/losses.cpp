#include <models/training/losses.h>

#include <algorithm>
#include <cmath>

#include <retention/base/error.h>

namespace retentive::models {
namespace {

double draw_uniform(at::Generator& generator) {
  return at::rand({1}, generator, at::TensorOptions().dtype(at::kDouble)).item<double>();
}

// Beta(a, a) as the ratio of two gamma variates; both underflow together only for tiny alpha, where 0 or 1 is right.
double draw_beta(double alpha, at::Generator& generator) {
  const auto gammas = at::_standard_gamma(torch::full({2}, alpha, torch::kDouble), generator);
  const double x = gammas[0].item<double>();
  const double y = gammas[1].item<double>();
  return x + y > 0 ? x / (x + y) : std::round(draw_uniform(generator));
}

torch::Tensor blend(const torch::Tensor& values, double lambda) {
  return values * lambda + values.flip(0) * (1 - lambda);
}

}  // namespace

torch::Tensor smooth_targets(const torch::Tensor& labels, int64_t num_classes, double smoothing) {
  if (!(smoothing >= 0 && smoothing < 1)) {
    throw InvalidArgument("[smooth_targets] smoothing is " + std::to_string(smoothing) +
                          "; from 0 to less than 1; set augment.label_smoothing");
  }
  if (labels.numel() > 0) {
    const auto low = labels.min().item<int64_t>();
    const auto high = labels.max().item<int64_t>();
    if (low < 0 || high >= num_classes) {
      throw InvalidArgument("[smooth_targets] label " + std::to_string(low < 0 ? low : high) + " with " +
                            std::to_string(num_classes) + " classes; from 0 to num_classes - 1; check the labels");
    }
  }
  const double spread = smoothing / static_cast<double>(num_classes);
  auto targets = torch::full({labels.size(0), num_classes}, spread);  // [B, K]
  targets.scatter_(1, labels.unsqueeze(1), 1 - smoothing + spread);
  return targets;
}

torch::Tensor soft_cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets) {
  return -(targets * torch::log_softmax(logits, 1)).sum(1).mean();
}

torch::Tensor token_label_loss(const torch::Tensor& cls_logits, const torch::Tensor& aux_logits,
                               const torch::Tensor& cls_targets, const torch::Tensor& token_targets,
                               double dense_weight) {
  const auto dense = soft_cross_entropy(aux_logits.flatten(0, 1), token_targets.flatten(0, 1));
  return soft_cross_entropy(cls_logits, cls_targets) + dense_weight * dense;
}

MixedBatch mixup(const torch::Tensor& images, const torch::Tensor& targets, double alpha, at::Generator generator) {
  const double lambda = draw_beta(alpha, generator);
  return {blend(images, lambda), blend(targets, lambda), lambda};
}

MixedBatch cutmix(const torch::Tensor& images, const torch::Tensor& targets, double alpha, at::Generator generator) {
  const int64_t height = images.size(2);
  const int64_t width = images.size(3);
  const double side = std::sqrt(1 - draw_beta(alpha, generator));
  const auto centre_y = static_cast<int64_t>(draw_uniform(generator) * static_cast<double>(height));
  const auto centre_x = static_cast<int64_t>(draw_uniform(generator) * static_cast<double>(width));
  const auto box_height = static_cast<int64_t>(side * static_cast<double>(height));
  const auto box_width = static_cast<int64_t>(side * static_cast<double>(width));
  const int64_t top = std::clamp<int64_t>(centre_y - box_height / 2, 0, height);
  const int64_t left = std::clamp<int64_t>(centre_x - box_width / 2, 0, width);
  const int64_t bottom = std::clamp<int64_t>(centre_y - box_height / 2 + box_height, 0, height);
  const int64_t right = std::clamp<int64_t>(centre_x - box_width / 2 + box_width, 0, width);
  auto mixed = images.clone();
  mixed.slice(2, top, bottom).slice(3, left, right).copy_(images.flip(0).slice(2, top, bottom).slice(3, left, right));
  const double lambda = 1 - static_cast<double>((bottom - top) * (right - left)) / static_cast<double>(height * width);
  return {mixed, blend(targets, lambda), lambda};
}

MixedBatch mix_batch(const torch::Tensor& images, const torch::Tensor& targets, const datasets::AugmentConfig& augment,
                     at::Generator generator) {
  const bool both = augment.mixup > 0 && augment.cutmix > 0;
  const bool cut = both ? draw_uniform(generator) < 0.5 : augment.cutmix > 0;
  if (cut) return cutmix(images, targets, augment.cutmix, generator);
  if (augment.mixup > 0) return mixup(images, targets, augment.mixup, generator);
  return {images, targets, 1.0};
}

}  // namespace retentive::models
