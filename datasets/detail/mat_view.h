#pragma once

#include <opencv2/core.hpp>

#include <vision/structures.h>

namespace retentive::datasets::detail {

/// The image's pixels as OpenCV sees them, channels in the image's order; not a copy.
inline cv::Mat mat_view(const vision::Image& image) {
  return cv::Mat(static_cast<int>(image.height), static_cast<int>(image.width), image.channels == 1 ? CV_8UC1 : CV_8UC3,
                 const_cast<uint8_t*>(image.pixels.data()));
}

}  // namespace retentive::datasets::detail
