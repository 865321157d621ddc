#include <algorithm>
#include <cmath>
#include <numbers>

#include <datasets/detail/composite_stamp.h>

namespace retentive::datasets::detail {

namespace {

/// Maps places of the turned picture to places of the upright one, both in pixel centres.
struct Turn {
  double cosine, sine;
  double middle_x, middle_y;  // of the upright picture
  double centre_x, centre_y;  // of the turned one
  bool mirrored;

  void source(int64_t x, int64_t y, double& from_x, double& from_y) const {
    const double dx = static_cast<double>(x) - centre_x, dy = static_cast<double>(y) - centre_y;
    from_x = cosine * dx - sine * dy;
    from_y = middle_y + sine * dx + cosine * dy;
    from_x = middle_x + (mirrored ? -from_x : from_x);
  }
};

/// Bilinear value of one channel, 0 to 1; zero outside.
float sample(const Image& image, double x, double y, int64_t channel) {
  const double left = std::floor(x), top = std::floor(y);
  const double part_x = x - left, part_y = y - top;
  const auto at = [&](double row, double column) -> double {
    if (row < 0 || column < 0 || row >= static_cast<double>(image.height) || column >= static_cast<double>(image.width))
      return 0;
    return image
        .pixels[(static_cast<int64_t>(row) * image.width + static_cast<int64_t>(column)) * image.channels + channel];
  };
  const double above = at(top, left) * (1 - part_x) + at(top, left + 1) * part_x;
  const double below = at(top + 1, left) * (1 - part_x) + at(top + 1, left + 1) * part_x;
  return static_cast<float>((above * (1 - part_y) + below * part_y) / 255);
}

Image scaled(const Image& image, double zoom) {
  const auto side = [zoom](int64_t pixels) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(pixels) * zoom));
  };
  return resize(image, side(image.height), side(image.width), vision::Interpolation::bicubic);
}

/// The largest alpha within `radius` pixels of each place; the rim is antialiased.
std::vector<float> dilated(const Stamp& stamp, double radius) {
  const auto reach = static_cast<int64_t>(std::ceil(radius));
  std::vector<float> out(stamp.alpha.size(), 0.0f);
  for (int64_t dy = -reach; dy <= reach; ++dy) {
    for (int64_t dx = -reach; dx <= reach; ++dx) {
      const double distance = std::hypot(static_cast<double>(dx), static_cast<double>(dy));
      const auto weight = static_cast<float>(std::clamp(radius + 0.5 - distance, 0.0, 1.0));
      if (weight == 0) continue;
      for (int64_t y = std::max<int64_t>(0, -dy); y < std::min(stamp.height, stamp.height - dy); ++y) {
        for (int64_t x = std::max<int64_t>(0, -dx); x < std::min(stamp.width, stamp.width - dx); ++x) {
          float& value = out[y * stamp.width + x];
          value = std::max(value, weight * stamp.alpha[(y + dy) * stamp.width + x + dx]);
        }
      }
    }
  }
  return out;
}

/// One pass of a Gaussian along an axis of stride `step` and `count` places, over `lines` lines `apart`.
std::vector<float> blurred(const std::vector<float>& in, const std::vector<float>& kernel, int64_t count, int64_t step,
                           int64_t lines, int64_t apart) {
  const auto reach = static_cast<int64_t>(kernel.size() / 2);
  std::vector<float> out(in.size(), 0.0f);
  for (int64_t line = 0; line < lines; ++line) {
    for (int64_t i = 0; i < count; ++i) {
      float sum = 0;
      for (int64_t k = std::max(-reach, -i); k <= std::min(reach, count - 1 - i); ++k) {
        sum += kernel[k + reach] * in[line * apart + (i + k) * step];
      }
      out[line * apart + i * step] = sum;
    }
  }
  return out;
}

}  // namespace

Stamp make_stamp(const Cutout& cutout, const StampShape& shape) {
  const double zoom = shape.longer / static_cast<double>(cutout.longer);
  const Image alpha = scaled(cutout.alpha, zoom);
  const Image colour = cutout.stroke() ? Image{} : scaled(cutout.colour, zoom);
  const double angle = shape.degrees * std::numbers::pi / 180;
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const auto across = [&](double along, double over) {
    return static_cast<int64_t>(std::ceil(std::abs(cosine) * along + std::abs(sine) * over)) + 2 * shape.margin;
  };
  const auto height = static_cast<double>(alpha.height), width = static_cast<double>(alpha.width);
  Stamp stamp{across(height, width), across(width, height), {}, {}};
  const Turn turn{cosine,
                  sine,
                  (width - 1) / 2,
                  (height - 1) / 2,
                  static_cast<double>(stamp.width - 1) / 2,
                  static_cast<double>(stamp.height - 1) / 2,
                  shape.mirrored};
  // A stroke's edge, about one pixel of the source wide, would be `zoom` pixels wide.
  const auto gain = static_cast<float>(cutout.stroke() ? std::max(1.0, zoom) : 1.0);
  const auto middle = static_cast<float>(cutout.stroke() ? 0.5 - shape.weight : 0.5);
  for (int64_t y = 0; y < stamp.height; ++y) {
    for (int64_t x = 0; x < stamp.width; ++x) {
      double from_x = 0, from_y = 0;
      turn.source(x, y, from_x, from_y);
      stamp.alpha.push_back(std::clamp((sample(alpha, from_x, from_y, 0) - middle) * gain + 0.5f, 0.0f, 1.0f));
      if (cutout.stroke()) continue;
      stamp.colour.push_back({});
      for (int64_t c = 0; c < 3; ++c) {
        stamp.colour.back()[c] = std::min(sample(colour, from_x, from_y, c), stamp.alpha.back());
      }
    }
  }
  return stamp;
}

Window solid_window(const Stamp& stamp) {
  int64_t top = stamp.height, left = stamp.width, bottom = 0, right = 0;
  for (int64_t y = 0; y < stamp.height; ++y) {
    for (int64_t x = 0; x < stamp.width; ++x) {
      if (!stamp.solid(y, x)) continue;
      top = std::min(top, y), left = std::min(left, x), bottom = y + 1, right = std::max(right, x + 1);
    }
  }
  if (bottom == 0) return {};
  return {top, left, bottom - top, right - left};
}

void paint_stroke(Stamp& stamp, const Colour& fill, const Colour& outline, double width) {
  const std::vector<float> inner = stamp.alpha;
  if (width > 0) stamp.alpha = dilated(stamp, width);
  stamp.colour.resize(inner.size());
  for (size_t i = 0; i < inner.size(); ++i) {
    for (int c = 0; c < 3; ++c) stamp.colour[i][c] = fill[c] * inner[i] + outline[c] * (stamp.alpha[i] - inner[i]);
  }
}

void feather(Stamp& stamp, double sigma) {
  if (sigma <= 0) return;
  const auto reach = static_cast<int64_t>(std::ceil(3 * sigma));
  std::vector<float> kernel;
  float sum = 0;
  for (int64_t i = -reach; i <= reach; ++i) {
    kernel.push_back(static_cast<float>(std::exp(-0.5 * std::pow(static_cast<double>(i) / sigma, 2))));
    sum += kernel.back();
  }
  for (float& weight : kernel) weight /= sum;
  const auto rows = blurred(stamp.alpha, kernel, stamp.width, 1, stamp.height, stamp.width);
  const auto soft = blurred(rows, kernel, stamp.height, stamp.width, stamp.width, 1);
  for (size_t i = 0; i < soft.size(); ++i) {
    if (soft[i] >= stamp.alpha[i]) continue;
    for (float& value : stamp.colour[i]) value *= soft[i] / stamp.alpha[i];
    stamp.alpha[i] = soft[i];
  }
}

ColourJitter ColourJitter::draw(double spread, Rng& rng) {
  const auto factor = [&] { return static_cast<float>(uniform(rng, 1 - spread, 1 + spread)); };
  ColourJitter jitter;
  jitter.brightness = factor();
  jitter.contrast = factor();
  jitter.saturation = factor();
  return jitter;
}

Colour ColourJitter::apply(const Colour& colour) const {
  Colour out;
  for (int c = 0; c < 3; ++c) out[c] = (colour[c] * brightness - 0.5f) * contrast + 0.5f;
  const float grey = luminance(out);
  for (float& value : out) value = std::clamp(grey + (value - grey) * saturation, 0.0f, 1.0f);
  return out;
}

void jitter_stamp(Stamp& stamp, const ColourJitter& jitter) {
  for (size_t i = 0; i < stamp.colour.size(); ++i) {
    const float alpha = stamp.alpha[i];
    if (alpha <= 0) continue;
    Colour colour = stamp.colour[i];
    for (float& value : colour) value /= alpha;
    colour = jitter.apply(colour);
    for (int c = 0; c < 3; ++c) stamp.colour[i][c] = colour[c] * alpha;
  }
}

}  // namespace retentive::datasets::detail
