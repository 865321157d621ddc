#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <retention/base/enum_names.h>

namespace retentive::vision {

/// An 8-bit image in memory: RGB or grey, rows top to bottom, channels interleaved [height, width, channels].
struct Image {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 3;
  std::vector<uint8_t> pixels;
};

/// Resampling filters, antialiased as Pillow's are.
enum class Interpolation { bilinear, bicubic };

/// An axis-aligned box in pixels, x to the right and y down: left top (x0, y0), right bottom (x1, y1), so that a pixel
/// in column 3 spans [3, 4] and the width is x1 - x0.
struct Box {
  float x0 = 0;
  float y0 = 0;
  float x1 = 0;
  float y1 = 0;

  float width() const { return x1 - x0; }
  float height() const { return y1 - y0; }
  bool operator==(const Box&) const = default;
};

/// A binary mask as lengths of runs of zeros and ones in turn, zeros first, going down the columns (COCO's order);
/// the lengths sum to height * width.
struct RleMask {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint32_t> counts;

  bool operator==(const RleMask&) const = default;
};

/// One object that a detector found in an image.
struct Detection {
  Box box;
  int64_t label = 0;  ///< index of the class
  double score = 0;   ///< 0 to 1
  std::optional<RleMask> mask;
};

/// How an image becomes a network input. Classification: shorter side resized to `resize_shorter`, centre crop of
/// `crop` [height, width]. Detection (`resize_longer` > 0): resized, keeping the aspect, to the largest size whose
/// shorter side is at most `resize_shorter` and whose longer side is at most `resize_longer`; no crop.
/// Then scaled to [0, 1] and (x - mean) / std per channel.
/// `mean.size()` is the number of input channels: 3 = RGB, 1 = luminance (ITU-R 601-2, as Pillow's "L").
struct Preprocessing {
  int64_t resize_shorter = 256;
  std::array<int64_t, 2> crop = {224, 224};
  Interpolation interpolation = Interpolation::bicubic;
  std::vector<double> mean = {0.485, 0.456, 0.406};
  std::vector<double> std = {0.229, 0.224, 0.225};
  int64_t resize_longer = 0;

  /// Calls f(name, field, help) for every field; the one list that reading, writing and help use.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("resize_shorter", self.resize_shorter, "pixels of the shorter side after resizing");
    f("crop", self.crop, "[height, width] of the centre crop");
    f("interpolation", self.interpolation, "resampling filter of the resize");
    f("mean", self.mean, "per channel, subtracted from values in [0, 1]; one entry = grey input");
    f("std", self.std, "per channel, divides after the subtraction");
    f("resize_longer", self.resize_longer, "detection: most pixels of the longer side, without a crop; 0 = crop");
  }

  bool operator==(const Preprocessing&) const = default;
};

}  // namespace retentive::vision

template <>
struct retentive::EnumNames<retentive::vision::Interpolation> {
  using Filter = retentive::vision::Interpolation;
  static constexpr std::array<std::pair<Filter, std::string_view>, 2> table = {
      {{Filter::bilinear, "bilinear"}, {Filter::bicubic, "bicubic"}}};
};
