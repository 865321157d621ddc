#pragma once

#include <cstdint>

#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Image;
using vision::Interpolation;

/// A rectangle of pixels.
struct Window {
  int64_t top = 0;
  int64_t left = 0;
  int64_t height = 0;
  int64_t width = 0;
};

/// Antialiased resampling to [height, width]; bit-exact with Pillow's `resize` (bicubic: a = -0.5).
/// Throws InvalidArgument for an empty image or size.
RETENTIVE_API Image resize(const Image& image, int64_t height, int64_t width, Interpolation interpolation);

/// `crop(resize(image, height, width), window)` at the cost of the window alone; a window beyond the resized image is
/// padded with zeros.
RETENTIVE_API Image resize_window(const Image& image, int64_t height, int64_t width, Interpolation interpolation,
                                  const Window& window);

/// Cuts a window out; what lies outside of the image is zero. Throws InvalidArgument for an empty window.
RETENTIVE_API Image crop(const Image& image, const Window& window);

/// The window of a centre crop, which starts outside of [height, width] where the crop is larger.
/// Rounding as torchvision: half to even inside, the smaller half of the padding first.
RETENTIVE_API Window centre_window(int64_t height, int64_t width, int64_t crop_height, int64_t crop_width);

/// Centre crop with zero padding where the crop is larger than the image.
RETENTIVE_API Image centre_crop(const Image& image, int64_t height, int64_t width);

/// Luminance ITU-R 601-2 as Pillow's "L" [height, width, 1]; a grey image is returned as it is.
RETENTIVE_API Image to_grey(const Image& image);

/// Three channels, grey replicated; an RGB image is returned as it is.
RETENTIVE_API Image to_rgb(const Image& image);

/// Throws InvalidArgument, naming `where`, unless the image has a positive size, 1 or 3 channels and as many pixels.
RETENTIVE_API void check_image(const Image& image, const char* where);

}  // namespace retentive::datasets
