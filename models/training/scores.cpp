#include <models/training/scores.h>

#include <array>
#include <cstdio>

namespace retentive::models {

bool better(const Scores& ours, const Scores& theirs) {
  if (ours.top1 != theirs.top1) return ours.top1 > theirs.top1;
  return ours.loss < theirs.loss;
}

std::string scores_text(const Scores& scores) {
  std::array<char, 96> text{};
  if (scores.bits_per_byte) {
    std::snprintf(text.data(), text.size(), "%.4f bits/byte (loss %.4f)", *scores.bits_per_byte, scores.loss);
  } else {
    std::snprintf(text.data(), text.size(), "top-1 %.2f %% (loss %.4f)", 100 * scores.top1.value_or(0), scores.loss);
  }
  return text.data();
}

}  // namespace retentive::models
