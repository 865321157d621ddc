#pragma once

#include <array>
#include <cstdint>

#include <datasets/heatmap.h>

namespace retentive::datasets::detail {

/// RGB from the low end of a scale to its high end.
using Palette = std::array<std::array<uint8_t, 3>, 256>;

Palette palette(ColourMap colours);

/// Throws InvalidArgument for a scale that does not rise.
void check_scale(const ColourScale& scale);

}  // namespace retentive::datasets::detail
