#pragma once

#include <torch/torch.h>

#include <datasets/augment.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Class probabilities [B, num_classes] from labels [B]: 1 - smoothing at the label, and smoothing / num_classes added
/// everywhere. Throws InvalidArgument for a label outside 0..num_classes-1 or a smoothing outside [0, 1).
RETENTIVE_API torch::Tensor smooth_targets(const torch::Tensor& labels, int64_t num_classes, double smoothing);

/// Mean over the batch of -sum_k targets[b, k] log softmax(logits[b])[k]; logits and targets [B, K].
RETENTIVE_API torch::Tensor soft_cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets);

/// A batch mixed with itself in reverse order: sample b is a part `lambda` of itself, the rest is sample B - 1 - b.
struct MixedBatch {
  torch::Tensor images;   ///< [B, C, H, W]
  torch::Tensor targets;  ///< [B, K]
  double lambda = 1.0;
};

/// lambda ~ Beta(alpha, alpha); images and targets are the weighted sums.
RETENTIVE_API MixedBatch mixup(const torch::Tensor& images, const torch::Tensor& targets, double alpha,
                               at::Generator generator);

/// A box of area share 1 - lambda, lambda ~ Beta(alpha, alpha), its centre uniform, comes from the other image; lambda
/// is then the share of pixels that were kept.
RETENTIVE_API MixedBatch cutmix(const torch::Tensor& images, const torch::Tensor& targets, double alpha,
                                at::Generator generator);

/// What the batch-level fields of an augmentation ask for: mixup, cutmix, either with probability 1/2 when both are
/// on, or the batch as it is.
RETENTIVE_API MixedBatch mix_batch(const torch::Tensor& images, const torch::Tensor& targets,
                                   const datasets::AugmentConfig& augment, at::Generator generator);

/// Token-label loss (RMT with token labelling): CE(cls) + dense_weight CE(aux) with soft targets; cls_logits and
/// cls_targets [B, K], aux_logits and token_targets [B, T, K], the dense part averaged over all tokens.
RETENTIVE_API torch::Tensor token_label_loss(const torch::Tensor& cls_logits, const torch::Tensor& aux_logits,
                                             const torch::Tensor& cls_targets, const torch::Tensor& token_targets,
                                             double dense_weight = 0.5);

}  // namespace retentive::models
