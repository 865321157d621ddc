#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

namespace retentive::datasets::detail {

/// Finds out whether a picture shows only through its alpha channel: what can be seen of it has nearly one colour, and
/// alpha alone gives it a shape. docs/images.md has the rule.
class AlphaSurvey {
 public:
  void add(const uint8_t* rgb, uint8_t alpha) {
    least_alpha_ = std::min(least_alpha_, alpha);
    most_alpha_ = std::max(most_alpha_, alpha);
    if (alpha < kVisible) return;
    ++visible_;
    for (int c = 0; c < 3; ++c) {
      low_[c] = std::min<int>(low_[c], rgb[c]);
      high_[c] = std::max<int>(high_[c], rgb[c]);
      sum_[c] += rgb[c];
    }
  }

  /// Whether colours show something, whatever pixels are still to come.
  bool has_colours() const {
    return high_[0] - low_[0] > kSame || high_[1] - low_[1] > kSame || high_[2] - low_[2] > kSame;
  }

  /// What the picture is to be put on, 0 or 255; nothing where alpha is to be dropped.
  std::optional<uint8_t> background() const {
    if (visible_ == 0 || most_alpha_ - least_alpha_ <= kSame || has_colours()) return std::nullopt;
    const double luminance = (0.299 * sum_[0] + 0.587 * sum_[1] + 0.114 * sum_[2]) / static_cast<double>(visible_);
    return luminance <= 127.5 ? 255 : 0;
  }

  static std::string note(uint8_t background) {
    return std::string("shows its content only through its alpha channel; it was put on ") +
           (background ? "white" : "black");
  }

 private:
  static constexpr uint8_t kVisible = 32;  // of fainter pixels the colour is mostly rounding
  static constexpr int kSame = 48;

  uint8_t least_alpha_ = 255, most_alpha_ = 0;
  int low_[3] = {255, 255, 255}, high_[3] = {0, 0, 0};
  double sum_[3] = {0, 0, 0};
  int64_t visible_ = 0;
};

/// Puts a pixel on a grey background.
inline void compose(const uint8_t* rgb, uint8_t alpha, uint8_t background, uint8_t* out) {
  for (int c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>((rgb[c] * alpha + background * (255 - alpha) + 127) / 255);
}

}  // namespace retentive::datasets::detail
