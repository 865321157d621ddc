#include <algorithm>
#include <cmath>
#include <numeric>

#include <opencv2/imgproc.hpp>

#include <datasets/detail/mat_view.h>
#include <datasets/detail/palette.h>
#include <datasets/heatmap.h>
#include <datasets/resize.h>
#include <retention/base/error.h>

namespace retentive::datasets {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw InvalidArgument("[heatmap] " + what); }

std::string size_text(int64_t height, int64_t width) { return std::to_string(height) + "x" + std::to_string(width); }

void check_map(const FloatMap& map) {
  if (map.height < 1 || map.width < 1 || static_cast<int64_t>(map.values.size()) != map.height * map.width) {
    refuse("a map of " + size_text(map.height, map.width) + " (height x width) has " +
           std::to_string(map.values.size()) + " values; one for each of at least one cell is accepted");
  }
  const auto bad = std::find_if(map.values.begin(), map.values.end(), [](float v) { return !std::isfinite(v); });
  if (bad != map.values.end()) refuse("a map holds " + std::to_string(*bad) + "; finite numbers are accepted");
}

// How far along the scale a number lies, 0 to 1.
double position(double value, const ColourScale& scale) {
  if (!scale.logarithmic) return std::clamp((value - scale.low) / (scale.high - scale.low), 0.0, 1.0);
  if (value <= scale.low) return 0;
  return std::min(1.0, std::log(value / scale.low) / std::log(scale.high / scale.low));
}

double root_mean_square(const FloatMap& map) {
  double sum = 0;
  for (const double value : map.values) sum += value * value;
  return std::sqrt(sum / static_cast<double>(map.values.size()));
}

Image black_picture(int64_t height, int64_t width) {
  return {height, width, 3, std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
}

}  // namespace

void detail::check_scale(const ColourScale& scale) {
  const bool rises = std::isfinite(scale.low) && std::isfinite(scale.high) && scale.low < scale.high;
  if (rises && (!scale.logarithmic || scale.low > 0)) return;
  refuse("the scale goes from " + std::to_string(scale.low) + " to " + std::to_string(scale.high) +
         "; finite and rising ends are accepted, above 0 for a logarithmic scale");
}

detail::Palette detail::palette(ColourMap colours) {
  Palette palette;
  if (colours == ColourMap::inferno) {
    cv::Mat ramp(1, 256, CV_8UC1), bgr;
    std::iota(ramp.begin<uint8_t>(), ramp.end<uint8_t>(), uint8_t{0});
    cv::applyColorMap(ramp, bgr, cv::COLORMAP_INFERNO);
    for (int i = 0; i < 256; ++i) {
      const auto& colour = bgr.at<cv::Vec3b>(0, i);
      palette[static_cast<size_t>(i)] = {colour[2], colour[1], colour[0]};
    }
    return palette;
  }
  constexpr uint8_t kAnchors[5][3] = {{150, 210, 255}, {33, 113, 181}, {6, 6, 9}, {204, 85, 0}, {255, 210, 150}};
  for (size_t i = 0; i < palette.size(); ++i) {
    const double at = static_cast<double>(i) / 255 * 4;
    const size_t first = std::min<size_t>(static_cast<size_t>(at), 3);
    for (size_t c = 0; c < 3; ++c) {
      const double value = std::lerp(kAnchors[first][c], kAnchors[first + 1][c], at - static_cast<double>(first));
      palette[i][c] = static_cast<uint8_t>(std::lround(value));
    }
  }
  return palette;
}

Image colour_map(const FloatMap& map, const ColourScale& scale) {
  check_map(map);
  detail::check_scale(scale);
  const auto palette = detail::palette(scale.colours);
  Image image = black_picture(map.height, map.width);
  for (size_t i = 0; i < map.values.size(); ++i) {
    const auto& colour = palette[static_cast<size_t>(std::lround(255 * position(map.values[i], scale)))];
    std::copy(colour.begin(), colour.end(), image.pixels.begin() + static_cast<int64_t>(3 * i));
  }
  return image;
}

Image colour_components(const std::array<FloatMap, 3>& maps) {
  for (const auto& map : maps) check_map(map);
  const auto& first = maps[0];
  Image image = black_picture(first.height, first.width);
  const double least = 1e-4 * root_mean_square(first);
  for (size_t c = 0; c < 3; ++c) {
    const auto& map = maps[c];
    if (map.height != first.height || map.width != first.width) {
      refuse("components are " + size_text(first.height, first.width) + " and " + size_text(map.height, map.width) +
             "; maps of one size are accepted");
    }
    const double end = 2 * root_mean_square(map);
    for (size_t i = 0; i < map.values.size(); ++i) {
      const double share = end > 2 * least ? std::clamp(map.values[i] / end, -1.0, 1.0) : 0;
      image.pixels[3 * i + c] = static_cast<uint8_t>(std::lround(127.5 + 127.5 * share));
    }
  }
  return image;
}

FloatMap stretch_map(const FloatMap& map, int64_t height, int64_t width, double cell, bool smooth) {
  check_map(map);
  if (height < 1 || width < 1 || !(cell > 0)) {
    refuse("stretching to " + size_text(height, width) + " with cells of " + std::to_string(cell) +
           " pixels; positive sizes are accepted");
  }
  // Along one axis: the cells on both sides of a pixel, and the share of the second.
  struct Between {
    int64_t first, second;
    float share;
  };
  const auto places = [&](int64_t pixels, int64_t cells) {
    std::vector<Between> found;
    for (int64_t i = 0; i < pixels; ++i) {
      const double at = (static_cast<double>(i) + 0.5) / cell;
      const double from = smooth ? at - 0.5 : at;
      const auto first = static_cast<int64_t>(std::floor(from));
      const float share = smooth ? static_cast<float>(from - static_cast<double>(first)) : 0;
      found.push_back({std::clamp<int64_t>(first, 0, cells - 1), std::clamp<int64_t>(first + 1, 0, cells - 1), share});
    }
    return found;
  };
  const auto rows = places(height, map.height), columns = places(width, map.width);
  FloatMap stretched{height, width, {}};
  stretched.values.reserve(static_cast<size_t>(height * width));
  for (const auto& y : rows) {
    for (const auto& x : columns) {
      const float above = std::lerp(map.at(y.first, x.first), map.at(y.first, x.second), x.share);
      const float below = std::lerp(map.at(y.second, x.first), map.at(y.second, x.second), x.share);
      stretched.values.push_back(std::lerp(above, below, y.share));
    }
  }
  return stretched;
}

Image blend(const Image& picture, const Image& colours, double opacity) {
  check_image(picture, "heatmap");
  check_image(colours, "heatmap");
  if (picture.height != colours.height || picture.width != colours.width || !(opacity >= 0 && opacity <= 1)) {
    refuse("colours of " + size_text(colours.height, colours.width) + " over a picture of " +
           size_text(picture.height, picture.width) + " with opacity " + std::to_string(opacity) +
           "; one size and 0 to 1 are accepted");
  }
  Image mixed = to_rgb(to_grey(picture));
  const Image cover = to_rgb(colours);
  cv::Mat canvas = detail::mat_view(mixed);
  cv::addWeighted(canvas, 1 - opacity, detail::mat_view(cover), opacity, 0, canvas);
  return mixed;
}

Image fit_picture(const Image& picture, int64_t side) {
  check_image(picture, "heatmap");
  if (side < 1) refuse("a side of " + std::to_string(side) + " pixels; at least 1 is accepted");
  constexpr int64_t kPixelsSeen = 4;  // from this factor on pixels are shown as squares
  const int64_t longer = std::max(picture.height, picture.width);
  const auto scaled = [&](int64_t length) { return std::max<int64_t>(1, (length * side + longer / 2) / longer); };
  if (side < kPixelsSeen * longer) {
    return resize(picture, scaled(picture.height), scaled(picture.width), Interpolation::bicubic);
  }
  const int64_t factor = side / longer;
  Image enlarged{picture.height * factor, picture.width * factor, picture.channels, {}};
  enlarged.pixels.resize(picture.pixels.size() * static_cast<size_t>(factor * factor));
  cv::Mat canvas = detail::mat_view(enlarged);
  cv::resize(detail::mat_view(picture), canvas, canvas.size(), 0, 0, cv::INTER_NEAREST);
  return enlarged;
}

double radius_of_share(const FloatMap& map, int64_t row, int64_t column, double share) {
  check_map(map);
  std::vector<std::pair<double, double>> rings;  // distance, value
  double total = 0;
  for (int64_t y = 0; y < map.height; ++y) {
    for (int64_t x = 0; x < map.width; ++x) {
      rings.emplace_back(std::hypot(static_cast<double>(y - row), static_cast<double>(x - column)), map.at(y, x));
      total += map.at(y, x);
    }
  }
  std::sort(rings.begin(), rings.end());
  double sum = 0;
  for (const auto& [distance, value] : rings) {
    sum += value;
    if (total > 0 && sum >= share * total) return distance;
  }
  return 0;
}

void MapMean::add(const FloatMap& map) {
  check_map(map);
  if (count_ == 0) {
    height_ = map.height;
    width_ = map.width;
    sums_.assign(map.values.size(), 0);
  }
  if (map.height != height_ || map.width != width_) {
    refuse("the mean of maps of " + size_text(height_, width_) + " and " + size_text(map.height, map.width) +
           "; one size is accepted");
  }
  for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += map.values[i];
  ++count_;
}

FloatMap MapMean::mean() const {
  if (count_ == 0) throw StateError("[heatmap] the mean of no map; add one first");
  FloatMap mean{height_, width_, {}};
  for (const double sum : sums_) mean.values.push_back(static_cast<float>(sum / static_cast<double>(count_)));
  return mean;
}

}  // namespace retentive::datasets
