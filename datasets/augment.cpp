#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <string>

#include <datasets/augment.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

bool any_affine(const AugmentConfig& config) {
  const bool scaled = config.affine_scale[0] != 1 || config.affine_scale[1] != 1;
  return config.rotate > 0 || config.translate > 0 || config.shear > 0 || scaled;
}

/// A box of random area and aspect within [height, width], or nothing when ten draws do not fit.
std::optional<Window> random_box(int64_t height, int64_t width, const std::array<double, 2>& scale,
                                 const std::array<double, 2>& ratio, Rng& rng) {
  const double area = static_cast<double>(height) * static_cast<double>(width);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * uniform(rng, scale[0], scale[1]);
    const double aspect = std::exp(uniform(rng, std::log(ratio[0]), std::log(ratio[1])));
    const double box_width = std::round(std::sqrt(target * aspect));
    const double box_height = std::round(std::sqrt(target / aspect));
    if (box_width < 1 || box_height < 1 || box_width > static_cast<double>(width) ||
        box_height > static_cast<double>(height)) {
      continue;
    }
    Window box{0, 0, static_cast<int64_t>(box_height), static_cast<int64_t>(box_width)};
    box.top = uniform_below(rng, height - box.height + 1);
    box.left = uniform_below(rng, width - box.width + 1);
    return box;
  }
  return std::nullopt;
}

/// The largest centred box whose aspect is within the range.
Window fallback_box(const Image& image, const std::array<double, 2>& ratio) {
  const double aspect = static_cast<double>(image.width) / static_cast<double>(image.height);
  int64_t height = image.height, width = image.width;
  if (aspect < ratio[0]) height = std::llround(static_cast<double>(width) / ratio[0]);
  if (aspect > ratio[1]) width = std::llround(static_cast<double>(height) * ratio[1]);
  height = std::clamp<int64_t>(height, 1, image.height);
  width = std::clamp<int64_t>(width, 1, image.width);
  return {(image.height - height) / 2, (image.width - width) / 2, height, width};
}

Image random_resized_crop(const Image& image, const Preprocessing& preprocessing, const AugmentConfig& config,
                          Rng& rng) {
  const Window box = random_box(image.height, image.width, config.crop_scale, config.crop_ratio, rng)
                         .value_or(fallback_box(image, config.crop_ratio));
  return resize(crop(image, box), preprocessing.crop[0], preprocessing.crop[1], preprocessing.interpolation);
}

/// Maps output pixel centres, relative to the middle, to input: [x'; y'] = m [x; y] + shift.
struct Affine {
  double m[4];
  double shift[2];
};

Affine random_affine(const Image& image, const AugmentConfig& config, Rng& rng) {
  constexpr double kRadians = std::numbers::pi / 180;
  const double angle = uniform(rng, -config.rotate, config.rotate) * kRadians;
  const double shift_x = uniform(rng, -config.translate, config.translate) * static_cast<double>(image.width);
  const double shift_y = uniform(rng, -config.translate, config.translate) * static_cast<double>(image.height);
  const double zoom = uniform(rng, config.affine_scale[0], config.affine_scale[1]);
  const double slant = std::tan(uniform(rng, -config.shear, config.shear) * kRadians);
  // The inverse of zoom * rotation * shear, which turns output places into input places.
  const double cosine = std::cos(angle) / zoom, sine = std::sin(angle) / zoom;
  Affine affine{{cosine + slant * sine, sine - slant * cosine, -sine, cosine}, {0, 0}};
  affine.shift[0] = -(affine.m[0] * shift_x + affine.m[1] * shift_y);
  affine.shift[1] = -(affine.m[2] * shift_x + affine.m[3] * shift_y);
  return affine;
}

/// Bilinear sample at pixel-centre coordinates; zero outside of the image.
void sample(const Image& image, double x, double y, uint8_t* out) {
  const double floor_x = std::floor(x), floor_y = std::floor(y);
  const double part_x = x - floor_x, part_y = y - floor_y;
  const int64_t left = static_cast<int64_t>(floor_x), top = static_cast<int64_t>(floor_y);
  for (int64_t c = 0; c < image.channels; ++c) {
    const auto at = [&](int64_t row, int64_t column) -> double {
      if (row < 0 || row >= image.height || column < 0 || column >= image.width) return 0;
      return image.pixels[(row * image.width + column) * image.channels + c];
    };
    const double above = at(top, left) * (1 - part_x) + at(top, left + 1) * part_x;
    const double below = at(top + 1, left) * (1 - part_x) + at(top + 1, left + 1) * part_x;
    out[c] = static_cast<uint8_t>(above * (1 - part_y) + below * part_y + 0.5);
  }
}

Image warp(const Image& image, const Affine& affine) {
  Image out{image.height, image.width, image.channels, std::vector<uint8_t>(image.pixels.size())};
  const double middle_x = 0.5 * static_cast<double>(image.width - 1);
  const double middle_y = 0.5 * static_cast<double>(image.height - 1);
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) {
      const double dx = static_cast<double>(x) - middle_x, dy = static_cast<double>(y) - middle_y;
      sample(image, affine.m[0] * dx + affine.m[1] * dy + affine.shift[0] + middle_x,
             affine.m[2] * dx + affine.m[3] * dy + affine.shift[1] + middle_y,
             out.pixels.data() + (y * out.width + x) * out.channels);
    }
  }
  return out;
}

uint8_t blend(double other, uint8_t value, double factor) {
  return static_cast<uint8_t>(std::clamp(other + (value - other) * factor, 0.0, 255.0) + 0.5);
}

void blend_with(Image& image, double other, double factor) {
  std::array<uint8_t, 256> table;
  for (int value = 0; value < 256; ++value) table[value] = blend(other, static_cast<uint8_t>(value), factor);
  for (uint8_t& value : image.pixels) value = table[value];
}

void adjust_contrast(Image& image, double factor) {
  const Image grey = to_grey(image);
  double sum = 0;
  for (const uint8_t value : grey.pixels) sum += value;
  const double mean = std::round(sum / static_cast<double>(grey.pixels.size()));
  blend_with(image, mean, factor);
}

void adjust_saturation(Image& image, double factor) {
  if (image.channels == 1) return;
  const Image grey = to_grey(image);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = blend(grey.pixels[i / 3], image.pixels[i], factor);
}

/// Zero after normalisation is the mean colour.
void erase(const Preprocessing& preprocessing, const AugmentConfig& config, Rng& rng, float* out) {
  const int64_t height = preprocessing.crop[0], width = preprocessing.crop[1];
  const auto box = random_box(height, width, config.erasing_scale, config.erasing_ratio, rng);
  if (!box) return;
  for (size_t c = 0; c < preprocessing.mean.size(); ++c) {
    for (int64_t y = box->top; y < box->top + box->height; ++y) {
      std::fill_n(out + (static_cast<int64_t>(c) * height + y) * width + box->left, box->width, 0.0f);
    }
  }
}

}  // namespace

void mirror(Image& image) {
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t* row = image.pixels.data() + y * image.width * image.channels;
    for (int64_t left = 0, right = image.width - 1; left < right; ++left, --right) {
      std::swap_ranges(row + left * image.channels, row + (left + 1) * image.channels, row + right * image.channels);
    }
  }
}

void jitter_colour(Image& image, double brightness, double contrast, double saturation, Rng& rng) {
  std::array<int, 3> order = {0, 1, 2};
  for (int i = 2; i > 0; --i) std::swap(order[i], order[uniform_below(rng, i + 1)]);
  const std::array<double, 3> spread = {brightness, contrast, saturation};
  for (const int kind : order) {
    if (spread[kind] <= 0) continue;
    const double factor = uniform(rng, std::max(0.0, 1 - spread[kind]), 1 + spread[kind]);
    if (kind == 0) {
      blend_with(image, 0, factor);
    } else if (kind == 1) {
      adjust_contrast(image, factor);
    } else {
      adjust_saturation(image, factor);
    }
  }
}

void train_transform(const Image& image, const Preprocessing& preprocessing, const AugmentConfig& config, Rng& rng,
                     float* out) {
  check_preprocessing(preprocessing);
  check_image(image, "train_transform");
  Image picture = to_input_channels(image, preprocessing);
  picture = config.random_resized_crop ? random_resized_crop(picture, preprocessing, config, rng)
                                       : resize_and_crop(picture, preprocessing);
  if (any_affine(config)) picture = warp(picture, random_affine(picture, config, rng));
  if (config.hflip > 0 && uniform(rng) < config.hflip) mirror(picture);
  if (config.brightness > 0 || config.contrast > 0 || config.saturation > 0) {
    jitter_colour(picture, config.brightness, config.contrast, config.saturation, rng);
  }
  normalise(picture, preprocessing, out);
  if (config.random_erasing > 0 && uniform(rng) < config.random_erasing) erase(preprocessing, config, rng, out);
}

void check_augment(const AugmentConfig& config) {
  const auto number = [](const char* name, double value, double low, double high) {
    if (value >= low && value <= high) return;
    throw ConfigError(std::string("[augment] ") + name + " is " + std::to_string(value) + "; " + std::to_string(low) +
                      " to " + std::to_string(high) + " is accepted");
  };
  const auto range = [](const char* name, const std::array<double, 2>& value, double high) {
    if (value[0] > 0 && value[0] <= value[1] && value[1] <= high) return;
    throw ConfigError(std::string("[augment] ") + name + " is [" + std::to_string(value[0]) + ", " +
                      std::to_string(value[1]) + "]; 0 < min <= max <= " + std::to_string(high) + " is accepted");
  };
  range("crop_scale", config.crop_scale, 1);
  range("crop_ratio", config.crop_ratio, 100);
  range("affine_scale", config.affine_scale, 100);
  range("erasing_scale", config.erasing_scale, 1);
  range("erasing_ratio", config.erasing_ratio, 100);
  number("hflip", config.hflip, 0, 1);
  number("rotate", config.rotate, 0, 180);
  number("translate", config.translate, 0, 1);
  number("shear", config.shear, 0, 89);
  number("brightness", config.brightness, 0, 100);
  number("contrast", config.contrast, 0, 100);
  number("saturation", config.saturation, 0, 100);
  number("random_erasing", config.random_erasing, 0, 1);
  number("mixup", config.mixup, 0, 100);
  number("cutmix", config.cutmix, 0, 100);
  number("label_smoothing", config.label_smoothing, 0, 0.999);
}

}  // namespace retentive::datasets
