#pragma once

#include <optional>
#include <string>

#include <retention/base/export.h>

namespace retentive::models {

/// Validation scores of one set of weights; which there are depends on what is trained.
struct Scores {
  std::optional<double> top1 = std::nullopt;           ///< classifiers: share of images, 0 to 1
  std::optional<double> top5 = std::nullopt;           ///< classifiers
  std::optional<double> box_ap = std::nullopt;         ///< detectors: COCO's AP of boxes, 0 to 1
  std::optional<double> box_ap50 = std::nullopt;       ///< detectors: at IoU 0.5
  std::optional<double> mask_ap = std::nullopt;        ///< detectors with masks
  std::optional<double> bits_per_byte = std::nullopt;  ///< language models
  std::optional<double> loss = std::nullopt;           ///< mean cross entropy of an image or token, in nats

  /// Calls f(name, member, help) for every field, in order.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("top1", self.top1, "share of validation images that were right");
    f("top5", self.top5, "share of validation images whose class was among the first five");
    f("box_ap", self.box_ap, "COCO average precision of boxes on the validation set");
    f("box_ap50", self.box_ap50, "the same at an intersection over union of 0.5");
    f("mask_ap", self.mask_ap, "COCO average precision of masks on the validation set");
    f("bits_per_byte", self.bits_per_byte, "of the validation text");
    f("loss", self.loss, "mean cross entropy on the validation set");
  }
};

/// Whether `ours` beats `theirs`: by larger top-1 or average precision where there is one (the mean of boxes and masks
/// where both are), then by smaller loss.
RETENTIVE_API bool better(const Scores& ours, const Scores& theirs);

/// "top-1 93.20 % (loss 0.2110)", "box AP 0.471 (AP50 0.688), mask AP 0.426", "1.9320 bits/byte (loss 3.4000)".
RETENTIVE_API std::string scores_text(const Scores& scores);

}  // namespace retentive::models
