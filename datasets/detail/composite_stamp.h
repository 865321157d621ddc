#pragma once

#include <array>
#include <vector>

#include <datasets/detail/composite_sources.h>
#include <datasets/random.h>
#include <datasets/resize.h>

namespace retentive::datasets::detail {

using Colour = std::array<float, 3>;  ///< red, green, blue, 0 to 1

inline float luminance(const Colour& colour) { return 0.299f * colour[0] + 0.587f * colour[1] + 0.114f * colour[2]; }

/// Pixels of the widest outline of a stroke, as a part of its longer side.
inline constexpr double kWidestOutline = 0.045;

/// An object scaled and turned, ready to be put onto a picture.
struct Stamp {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<float> alpha;    ///< [height, width], 0 to 1
  std::vector<Colour> colour;  ///< [height, width], times alpha; empty for a stroke that is yet to be coloured

  bool solid(int64_t y, int64_t x) const { return alpha[y * width + x] >= 0.5f; }
};

struct StampShape {
  double longer = 0;   ///< pixels of the object's longer side before it is turned
  double degrees = 0;  ///< anticlockwise
  bool mirrored = false;
  double weight = 0;   ///< strokes: how much bolder (> 0) or finer the digit becomes, -0.15 to 0.15
  int64_t margin = 0;  ///< transparent pixels on each side
};

/// Scales (antialiased), mirrors and turns a cut-out. The edges of a stroke become sharp again.
Stamp make_stamp(const Cutout& cutout, const StampShape& shape);

/// The smallest window around the solid pixels; of size 0 when there are none.
Window solid_window(const Stamp& stamp);

/// Fills a stroke with one colour; `width` > 0 pixels of `outline` around it become part of it.
void paint_stroke(Stamp& stamp, const Colour& fill, const Colour& outline, double width);

/// Softens the edge inwards with a Gaussian of `sigma` pixels.
void feather(Stamp& stamp, double sigma);

/// Factors of brightness, contrast about mid-grey, and saturation.
struct ColourJitter {
  float brightness = 1;
  float contrast = 1;
  float saturation = 1;

  /// Each drawn from 1 -/+ spread.
  static ColourJitter draw(double spread, Rng& rng);
  Colour apply(const Colour& colour) const;
};

/// Changes the colours of a stamp, not its alpha.
void jitter_stamp(Stamp& stamp, const ColourJitter& jitter);

}  // namespace retentive::datasets::detail
