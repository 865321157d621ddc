#pragma once

#include <optional>
#include <string>

#include <retention/base/export.h>

namespace retentive::models {

/// Validation scores of one set of weights; which there are depends on what is trained.
struct Scores {
  std::optional<double> top1 = std::nullopt;           ///< classifiers: share of images, 0 to 1
  std::optional<double> top5 = std::nullopt;           ///< classifiers
  std::optional<double> bits_per_byte = std::nullopt;  ///< language models
  double loss = 0;                                     ///< mean cross entropy of an image or token, in nats

  /// Calls f(name, member, help) for every field, in order.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("top1", self.top1, "share of validation images that were right");
    f("top5", self.top5, "share of validation images whose class was among the first five");
    f("bits_per_byte", self.bits_per_byte, "of the validation text");
    f("loss", self.loss, "mean cross entropy on the validation set");
  }
};

/// Whether `ours` beats `theirs`: by larger top-1 where there is one, then by smaller loss.
RETENTIVE_API bool better(const Scores& ours, const Scores& theirs);

/// "top-1 93.20 % (loss 0.2110)", "1.932 bits/byte (loss 3.4000)".
RETENTIVE_API std::string scores_text(const Scores& scores);

}  // namespace retentive::models
