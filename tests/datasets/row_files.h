#pragma once

#include <cstdint>
#include <filesystem>

namespace retentive::testing {

/// Files of random pixels, the same for the same arguments, written by the formats' own libraries.
struct PngFile {
  int64_t height = 1;
  int64_t width = 1;
  int colour_type = 2;  ///< as in the file: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha
  int depth = 8;
  bool transparent = false;  ///< with a tRNS chunk
  bool interlaced = false;
};
void write_png_file(const std::filesystem::path& path, const PngFile& file);

/// A grey PNG whose row y has the value `row_value(y)` throughout; never whole in memory.
void write_striped_png(const std::filesystem::path& path, int64_t height, int64_t width);
inline uint8_t row_value(int64_t y) { return static_cast<uint8_t>(y * 7 + y / 256); }

struct TiffFile {
  int64_t height = 1;
  int64_t width = 1;
  int samples = 3;
  int compression = 1;
  int64_t rows_per_strip = 4;
  int predictor = 1;
  int orientation = 1;
  int depth = 8;
  int planar = 1;
  int fill_order = 1;
  bool inverted = false;  ///< grey with 0 = white
  bool tiled = false;
  const char* mode = "w";  ///< with b: big-endian, with 8: BigTIFF
};
void write_tiff_file(const std::filesystem::path& path, const TiffFile& file);

}  // namespace retentive::testing
