#pragma once

#include <cstdint>
#include <vector>

#include <datasets/detection_transforms.h>
#include <retention/base/export.h>
#include <vision/detection/structures.h>
#include <vision/structures.h>

namespace retentive::models {

/// The image that a network's input was made from.
struct DetectedImage {
  datasets::ResizedSize resized;  ///< the part of the input that it fills
  int64_t height = 0;             ///< of the original
  int64_t width = 0;
};

/// What a detector found, in pixels of the original image: boxes mapped back and clipped, masks stretched over them and
/// cut at `mask_threshold`. Objects whose box has no area are left out.
RETENTIVE_API std::vector<vision::Detection> to_detections(const vision::DetectedObjects& objects,
                                                           const DetectedImage& image, double mask_threshold);

}  // namespace retentive::models
