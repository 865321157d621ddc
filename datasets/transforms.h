#pragma once

#include <cstdint>

#include <datasets/resize.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Preprocessing;

/// Throws InvalidArgument unless sizes are 1 to 32768, mean and std have 1 or 3 finite entries, and no std is zero.
RETENTIVE_API void check_preprocessing(const Preprocessing& preprocessing);

/// The image with as many channels as the preprocessing feeds: RGB for 3, luminance for 1.
RETENTIVE_API Image to_input_channels(const Image& image, const Preprocessing& preprocessing);

/// Shorter side resized keeping the aspect (long side truncated as torchvision does), then the centre crop: uint8 of
/// `preprocessing.crop`. Only the pixels of the crop are computed.
RETENTIVE_API Image resize_and_crop(const Image& image, const Preprocessing& preprocessing);

/// Writes (x / 255 - mean) / std of an image as float32 [channels, height, width].
RETENTIVE_API void normalise(const Image& image, const Preprocessing& preprocessing, float* out);

/// The same at the left top of float32 [channels, height, width], the rest zero. Throws InvalidArgument when the image
/// does not fit.
RETENTIVE_API void normalise_padded(const Image& image, const Preprocessing& preprocessing, int64_t height,
                                    int64_t width, float* out);

/// The whole evaluation transform: channels, resize, crop, normalise; `out` holds [mean.size(), crop[0], crop[1]].
/// Throws InvalidArgument for an empty image or a preprocessing that cannot be.
RETENTIVE_API void evaluation_transform(const Image& image, const Preprocessing& preprocessing, float* out);

}  // namespace retentive::datasets
