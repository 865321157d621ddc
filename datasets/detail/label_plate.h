#pragma once

#include <array>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

namespace retentive::datasets::detail {

/// Text on a filled rectangle.
struct LabelPlate {
  cv::Mat text;  // 8-bit coverage of the letters over the whole plate; empty when nothing legible fits
  cv::Rect place;
};

/// A plate with `name` and `score` (either may be empty) in capitals of `height` pixels, that fits into `image`:
/// letters shrink to seven pixels, then the score goes, then an ellipsis takes the end of the name.
LabelPlate make_plate(const std::string& name, const std::string& score, int height, cv::Size image);

/// Puts the plate at the edge of the box where it covers least of the plates `placed` before.
void place_plate(LabelPlate& plate, const cv::Rect& box, cv::Size image, const std::vector<LabelPlate>& placed);

/// Paints the plate in `colour`, the letters black or white, whichever stands out more.
void paint_plate(const LabelPlate& plate, const std::array<uint8_t, 3>& colour, cv::Mat& canvas);

}  // namespace retentive::datasets::detail
