#pragma once

#include <cstdint>
#include <span>

#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Image;

/// How numbers become colours: `sequential` from dark to light (viridis), `diverging` from blue over white at zero to
/// red. Both are read alike by colour-blind people.
enum class ColourScale { sequential, diverging };

/// Colours of a map [height, width], row by row, in cells of `cell` pixels each way. The scale reaches from the least to
/// the largest value; a diverging one as far below zero as above. A map of one value has one colour. Throws
/// InvalidArgument for a size that does not fit the values, or values that are not finite.
RETENTIVE_API Image colour_map(std::span<const float> values, int64_t height, int64_t width, ColourScale scale,
                               int64_t cell = 1);

/// Colours straight from numbers 0 to 1, [height, width, 3], in cells as above.
RETENTIVE_API Image rgb_map(std::span<const float> values, int64_t height, int64_t width, int64_t cell = 1);

/// `map` enlarged smoothly to the image and laid over it: `opacity` 0 shows the image alone, 1 the map. RGB.
RETENTIVE_API Image overlay(const Image& image, const Image& map, double opacity);

/// A frame around one cell of an image made with cells of `cell` pixels.
RETENTIVE_API void frame_cell(Image& image, int64_t row, int64_t column, int64_t cell);

}  // namespace retentive::datasets
