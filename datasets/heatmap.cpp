#include <datasets/heatmap.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include <opencv2/imgproc.hpp>

#include <datasets/resize.h>
#include <retention/base/error.h>

namespace retentive::datasets {
namespace {

using Colour = std::array<uint8_t, 3>;

void check(std::span<const float> values, int64_t height, int64_t width, int64_t channels, int64_t cell) {
  const auto wanted = static_cast<size_t>(std::max<int64_t>(height * width * channels, 0));
  if (height < 1 || width < 1 || cell < 1 || values.size() != wanted) {
    throw InvalidArgument("[heatmap] " + std::to_string(values.size()) + " values for a map of " +
                          std::to_string(height) + " x " + std::to_string(width) + " in cells of " +
                          std::to_string(cell) + "; one value a place and cells of at least a pixel are accepted");
  }
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) {
    throw InvalidArgument("[heatmap] a value is not finite; finite ones are accepted");
  }
}

// 256 colours from dark to light.
std::array<Colour, 256> viridis() {
  cv::Mat ramp(1, 256, CV_8UC1), colours;
  for (int i = 0; i < 256; ++i) ramp.at<uint8_t>(0, i) = static_cast<uint8_t>(i);
  cv::applyColorMap(ramp, colours, cv::COLORMAP_VIRIDIS);
  std::array<Colour, 256> table;
  for (int i = 0; i < 256; ++i) {
    const auto& bgr = colours.at<cv::Vec3b>(0, i);
    table[static_cast<size_t>(i)] = {bgr[2], bgr[1], bgr[0]};
  }
  return table;
}

// 256 colours from blue over white to red, straight between five stops.
std::array<Colour, 256> blue_white_red() {
  constexpr double kStops[5][3] = {{5, 48, 97}, {67, 147, 195}, {247, 247, 247}, {214, 96, 77}, {103, 0, 31}};
  std::array<Colour, 256> table;
  for (size_t i = 0; i < 256; ++i) {
    const double place = static_cast<double>(i) / 255 * 4;
    const auto from = std::min<size_t>(3, static_cast<size_t>(place));
    for (size_t c = 0; c < 3; ++c) {
      const double value = kStops[from][c] + (kStops[from + 1][c] - kStops[from][c]) * (place - static_cast<double>(from));
      table[i][c] = static_cast<uint8_t>(std::lround(value));
    }
  }
  return table;
}

// An RGB image of `colour_of(place)`, each place a square.
template <class F>
Image in_cells(int64_t height, int64_t width, int64_t cell, const F& colour_of) {
  Image image{.height = height * cell, .width = width * cell, .channels = 3, .pixels = {}};
  image.pixels.resize(static_cast<size_t>(image.height * image.width * 3));
  auto* pixel = image.pixels.data();
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x, pixel += 3) {
      const Colour colour = colour_of(static_cast<size_t>(y / cell * width + x / cell));
      std::copy(colour.begin(), colour.end(), pixel);
    }
  }
  return image;
}

}  // namespace

Image colour_map(std::span<const float> values, int64_t height, int64_t width, ColourScale scale, int64_t cell) {
  check(values, height, width, 1, cell);
  static const auto sequential = viridis(), diverging = blue_white_red();
  const auto [least, largest] = std::ranges::minmax(values);
  const float reach = std::max(std::abs(least), std::abs(largest));
  const bool both = scale == ColourScale::diverging;
  const float low = both ? -reach : least, high = both ? reach : largest;
  const auto& table = both ? diverging : sequential;
  return in_cells(height, width, cell, [&](size_t at) {
    const float share = high > low ? (values[at] - low) / (high - low) : both ? 0.5f : 0;
    return table[static_cast<size_t>(std::lround(255 * std::clamp(share, 0.0f, 1.0f)))];
  });
}

Image rgb_map(std::span<const float> values, int64_t height, int64_t width, int64_t cell) {
  check(values, height, width, 3, cell);
  return in_cells(height, width, cell, [&](size_t at) {
    Colour colour;
    for (size_t c = 0; c < 3; ++c) {
      colour[c] = static_cast<uint8_t>(std::lround(255 * std::clamp(values[3 * at + c], 0.0f, 1.0f)));
    }
    return colour;
  });
}

Image overlay(const Image& image, const Image& map, double opacity) {
  if (!(opacity >= 0 && opacity <= 1)) {
    throw InvalidArgument("[heatmap] opacity is " + std::to_string(opacity) + "; 0 to 1 is accepted");
  }
  const auto large = resize(map, image.height, image.width, Interpolation::bicubic);
  Image out{.height = image.height, .width = image.width, .channels = 3, .pixels = {}};
  out.pixels.resize(large.pixels.size());
  for (size_t i = 0; i < out.pixels.size(); ++i) {
    const double below = image.pixels[image.channels == 3 ? i : i / 3];
    out.pixels[i] = static_cast<uint8_t>(std::lround(below + opacity * (large.pixels[i] - below)));
  }
  return out;
}

void frame_cell(Image& image, int64_t row, int64_t column, int64_t cell) {
  const int64_t thickness = std::max<int64_t>(1, cell / 8);
  const auto paint = [&](int64_t y, int64_t x, uint8_t value) {
    if (y < 0 || x < 0 || y >= image.height || x >= image.width) return;
    std::fill_n(image.pixels.begin() + (y * image.width + x) * image.channels, image.channels, value);
  };
  // White inside black stands out from every colour.
  for (int64_t y = -thickness; y < cell + thickness; ++y) {
    for (int64_t x = -thickness; x < cell + thickness; ++x) {
      const bool inside = y >= 0 && x >= 0 && y < cell && x < cell;
      const bool edge = y < thickness || x < thickness || y >= cell - thickness || x >= cell - thickness;
      if (inside && edge) paint(row * cell + y, column * cell + x, 255);
      if (!inside) paint(row * cell + y, column * cell + x, 0);
    }
  }
}

}  // namespace retentive::datasets
