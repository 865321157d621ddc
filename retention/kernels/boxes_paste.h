#pragma once

#include <cstdint>

#include <retention/base/export.h>

namespace retentive::retention {

/// Masks [count, mask_height, mask_width] that are stretched over boxes of an image.
struct PasteMasksProblem {
  int64_t count = 0;
  int64_t mask_height = 28;
  int64_t mask_width = 28;
  int64_t height = 1;
  int64_t width = 1;
  float threshold = 0.5f;
};

/// boxes [count, 4] -> out [count, height, width], 1 where the mask is at least `threshold`. The pixel in column x
/// takes the bilinear sample of the mask's columns at (x + 0.5 - x0) / (x1 - x0) * mask_width - 0.5, rows alike, with
/// zeros around the mask; further than a pixel from a box, and in the image of one without area, all is 0.
RETENTIVE_API void paste_masks(const PasteMasksProblem& problem, const float* masks, const float* boxes, uint8_t* out,
                               int threads);

}  // namespace retentive::retention
