#pragma once

#include <cstdint>
#include <vector>

#include <datasets/transforms.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Box;

/// A size after resizing, and how many of its pixels one pixel of the original became along each axis.
struct ResizedSize {
  int64_t height = 0;
  int64_t width = 0;
  double scale_x = 1;
  double scale_y = 1;

  bool operator==(const ResizedSize&) const = default;
};

/// The size of [height, width] scaled by s = min(longer / max(height, width), shorter / min(height, width)): each side
/// is int(side * s + 0.5), as mmcv rounds, and 1 at least. Throws InvalidArgument unless all four are positive.
RETENTIVE_API ResizedSize keep_ratio_size(int64_t height, int64_t width, int64_t shorter, int64_t longer);

/// The size at which a detector sees an image of [height, width].
RETENTIVE_API ResizedSize detection_size(int64_t height, int64_t width, const Preprocessing& preprocessing);

/// `side` rounded up to a multiple of `divisor` (both positive).
RETENTIVE_API int64_t padded_side(int64_t side, int64_t divisor);

/// A box of the resized image in pixels of the original, clipped to the original's sides.
RETENTIVE_API Box to_original(const Box& box, const ResizedSize& resized);

/// A box of the original in pixels of the resized image, clipped to its sides.
RETENTIVE_API Box to_resized(const Box& box, const ResizedSize& resized);

/// Bilinear between the four nearest pixels, without antialiasing: what mmcv's `imresize` does.
/// Throws InvalidArgument for an empty image or size.
RETENTIVE_API Image resize_bilinear(const Image& image, int64_t height, int64_t width);

/// Throws InvalidArgument as `check_preprocessing`, and unless `resize_longer` is set.
RETENTIVE_API void check_detection_preprocessing(const Preprocessing& preprocessing);

/// An image as the input of a detector.
struct DetectionInput {
  int64_t channels = 0;
  int64_t height = 0;  ///< padded
  int64_t width = 0;
  std::vector<float> values;  ///< [channels, height, width]
  ResizedSize resized;        ///< the part that is image; the rest, to the right and below, is zero
};

/// Channels, keep-ratio resize, normalisation, then zeros up to multiples of `divisor`. `crop` and `interpolation` of
/// the preprocessing play no part. Throws InvalidArgument for a bad image, preprocessing or divisor.
RETENTIVE_API DetectionInput detection_input(const Image& image, const Preprocessing& preprocessing,
                                             int64_t divisor = 32);

/// The same into `out` [mean.size(), height, width], one image of a batch; returns the part that is image.
/// Throws InvalidArgument also when [height, width] is smaller than that.
RETENTIVE_API ResizedSize detection_input(const Image& image, const Preprocessing& preprocessing, int64_t height,
                                          int64_t width, float* out);

}  // namespace retentive::datasets
