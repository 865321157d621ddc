#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Image;

/// Numbers on a grid, row by row.
struct FloatMap {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<float> values;

  float at(int64_t row, int64_t column) const { return values[static_cast<size_t>(row * width + column)]; }
};

/// Colours that people of every colour vision put in one order. inferno: from black over red to pale yellow, evenly
/// lighter. blue_orange: lighter from a black middle on, for numbers of both signs.
enum class ColourMap { inferno, blue_orange };

/// Which numbers get which colours; numbers beyond the ends get those of the ends.
struct ColourScale {
  double low = 0;
  double high = 1;
  ColourMap colours = ColourMap::inferno;
  bool logarithmic = false;  ///< equal steps of colour are equal factors; `low` must be positive
};

/// One RGB pixel per number. Throws InvalidArgument for a map without values or of another number of them, for numbers
/// that are not finite, and for a scale that does not rise.
RETENTIVE_API Image colour_map(const FloatMap& map, const ColourScale& scale);

/// One RGB pixel per place: three maps of one size as red, green and blue, grey where they are 0, full or none at twice
/// the root mean square of each; one whose is below 1e-4 of the first's is left out. Throws InvalidArgument as
/// colour_map().
RETENTIVE_API Image colour_components(const std::array<FloatMap, 3>& maps);

/// The map at [height, width], a number covering `cell` x `cell` pixels from the left top corner on; what does not fit
/// is cut, what is missing continues the edge. `smooth` interpolates between the centres of cells, else a cell has one
/// value. Throws InvalidArgument for an empty map or size, or a cell that is not positive.
RETENTIVE_API FloatMap stretch_map(const FloatMap& map, int64_t height, int64_t width, double cell, bool smooth);

/// The picture in grey, under colours of the same size that cover it by `opacity`, 0 to 1. Throws InvalidArgument.
RETENTIVE_API Image blend(const Image& picture, const Image& colours, double opacity);

/// The picture so that its longer side has about `side` pixels: small ones enlarged by a whole factor, pixel by pixel,
/// others resampled. Throws InvalidArgument for an empty image or side.
RETENTIVE_API Image fit_picture(const Image& picture, int64_t side);

/// Frames the cell of stretch_map() at (row, column) of an RGB picture.
RETENTIVE_API void frame_cell(Image& picture, int64_t row, int64_t column, double cell);

/// A picture with bars along two sides: `left` as high as the picture, `below` as wide.
RETENTIVE_API Image with_side_bars(const Image& picture, const Image& left, const Image& below);

/// A picture with a line above it.
struct Tile {
  Image picture;
  std::string title;
};

/// All tiles row by row on a dark ground, under them the colours of `scale`, if given, with numbers. Letters beyond
/// ASCII become "?". Throws InvalidArgument without tiles or columns.
RETENTIVE_API Image tile_pictures(std::span<const Tile> tiles, int64_t columns,
                                  const std::optional<ColourScale>& scale = std::nullopt,
                                  const std::string& scale_title = "");

/// The distance from (row, column), in cells between centres, within which `share` of the map's sum lies; 0 for a map
/// of zeros. Values must not be negative.
RETENTIVE_API double radius_of_share(const FloatMap& map, int64_t row, int64_t column, double share);

/// The mean of maps of one size.
class RETENTIVE_API MapMean {
 public:
  /// Throws InvalidArgument for a map of another size than the first.
  void add(const FloatMap& map);
  int64_t count() const { return count_; }
  /// Throws StateError when there is none.
  FloatMap mean() const;

 private:
  int64_t count_ = 0;
  int64_t height_ = 0;
  int64_t width_ = 0;
  std::vector<double> sums_;
};

}  // namespace retentive::datasets
