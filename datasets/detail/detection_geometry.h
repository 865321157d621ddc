#pragma once

#include <optional>

#include <datasets/detection_augment.h>

namespace retentive::datasets::detail {

/// Where a coordinate of the original lies in the result.
struct AxisMap {
  double scale = 1;
  double shift = 0;
  double operator()(double at) const { return scale * at + shift; }
};

/// A window cut out of the image at a size of its own.
struct CutWindow {
  ResizedSize from;
  Window window;
};

/// The path of an image to the network: cut (or not), resized, mirrored (or not).
struct DetectionGeometry {
  std::optional<CutWindow> cut;
  ResizedSize size;  ///< of what was cut; its scales are relative to the cut
  bool mirrored = false;

  AxisMap x_map() const;
  AxisMap y_map() const;
};

/// The box in the result, clipped to it.
Box place_box(const Box& box, const DetectionGeometry& geometry);

/// Whether both sides are positive and at least `smallest`.
bool is_large_enough(const Box& box, double smallest);

/// Pixels of the result, still of the image's channels.
Image place_image(const Image& image, const DetectionGeometry& geometry);

/// The mask in the result [size.height, size.width], from polygons or runs.
std::vector<uint8_t> place_mask(const ObjectAnnotation& object, const DetectionGeometry& geometry);

}  // namespace retentive::datasets::detail
