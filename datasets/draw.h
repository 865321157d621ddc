#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Image;

struct DrawOptions {
  bool boxes = true;
  bool masks = true;
  bool names = true;  ///< the class on a plate beside the box
  bool scores = true;
  double mask_opacity = 0.4;  ///< 0 = outline only, 1 = the object is covered
  double line_scale = 1;      ///< lines relative to 1/360 of the image's diagonal; a pixel at least
  double text_scale = 1;      ///< capitals relative to 1/65 of the image's diagonal; seven pixels at least
};

/// The RGB colour of a class: Okabe and Ito's seven, which colour-blind people tell apart, then lighter and darker.
RETENTIVE_API std::array<uint8_t, 3> class_colour(int64_t label);

/// The image as RGB with its detections: translucent masks with an outline, boxes drawn inside of their edges, and
/// plates with class and score, inside of the image and beside each other where there is room; text is shortened or
/// left out where an image is too small for it. A label beyond `labels` is written as its number; letters beyond ASCII
/// become "?". Throws InvalidArgument for a bad image, an option out of range, a negative label, a box that is not
/// finite or a mask of another size than the image; DataError for damaged runs.
RETENTIVE_API Image draw_detections(const Image& image, std::span<const vision::Detection> detections,
                                    const std::vector<std::string>& labels, const DrawOptions& options = {});

}  // namespace retentive::datasets
