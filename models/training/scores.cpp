#include <models/training/scores.h>

#include <array>
#include <cstdio>

namespace retentive::models {
namespace {

// What is to be large; nothing for models that are compared by their loss alone.
std::optional<double> merit(const Scores& scores) {
  if (!scores.box_ap) return scores.top1;
  return scores.mask_ap ? (*scores.box_ap + *scores.mask_ap) / 2 : *scores.box_ap;
}

template <class... Values>
std::string formatted(const char* format, Values... values) {
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

}  // namespace

bool better(const Scores& ours, const Scores& theirs) {
  if (merit(ours) != merit(theirs)) return merit(ours) > merit(theirs);
  return ours.loss && theirs.loss && *ours.loss < *theirs.loss;
}

std::string scores_text(const Scores& scores) {
  const auto loss = scores.loss ? formatted(" (loss %.4f)", *scores.loss) : std::string();
  if (scores.bits_per_byte) return formatted("%.4f bits/byte", *scores.bits_per_byte) + loss;
  if (!scores.box_ap) return formatted("top-1 %.2f %%", 100 * scores.top1.value_or(0)) + loss;
  const auto masks = scores.mask_ap ? formatted(", mask AP %.3f", *scores.mask_ap) : std::string();
  return formatted("box AP %.3f (AP50 %.3f)", *scores.box_ap, scores.box_ap50.value_or(0)) + masks + loss;
}

}  // namespace retentive::models
