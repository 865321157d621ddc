#pragma once

#include <array>
#include <cstdint>
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

/// How an image becomes a network input: shorter side resized to `resize_shorter`, centre crop of
/// `crop` [height, width], scaled to [0, 1], then (x - mean) / std per channel.
/// `mean.size()` is the number of input channels: 3 = RGB, 1 = luminance (ITU-R 601-2, as Pillow's "L").
struct Preprocessing {
  int64_t resize_shorter = 256;
  std::array<int64_t, 2> crop = {224, 224};
  Interpolation interpolation = Interpolation::bicubic;
  std::vector<double> mean = {0.485, 0.456, 0.406};
  std::vector<double> std = {0.229, 0.224, 0.225};

  /// Calls f(name, field, help) for every field; the one list that reading, writing and help use.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("resize_shorter", self.resize_shorter, "pixels of the shorter side after resizing");
    f("crop", self.crop, "[height, width] of the centre crop");
    f("interpolation", self.interpolation, "resampling filter of the resize");
    f("mean", self.mean, "per channel, subtracted from values in [0, 1]; one entry = grey input");
    f("std", self.std, "per channel, divides after the subtraction");
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
