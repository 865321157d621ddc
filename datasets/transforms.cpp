#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include <datasets/transforms.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

constexpr int64_t kMaxSide = 32768;

}  // namespace

void check_preprocessing(const Preprocessing& preprocessing) {
  const auto refuse = [](const std::string& what) { throw InvalidArgument("[preprocessing] " + what); };
  const auto& [shorter, cut, interpolation, mean, std, longer] = preprocessing;
  const auto is_side = [](int64_t side) { return side >= 1 && side <= kMaxSide; };
  const std::string range = " 1 to " + std::to_string(kMaxSide) + " is accepted";
  if (!is_side(shorter)) refuse("resize_shorter is " + std::to_string(shorter) + ";" + range);
  if (!is_side(cut[0]) || !is_side(cut[1])) {
    refuse("crop is [" + std::to_string(cut[0]) + ", " + std::to_string(cut[1]) + "];" + range);
  }
  if (longer != 0 && (longer < shorter || !is_side(longer))) {
    refuse("resize_longer is " + std::to_string(longer) + "; 0 or " + std::to_string(shorter) +
           " (resize_shorter) to " + std::to_string(kMaxSide) + " is accepted");
  }
  if ((mean.size() != 1 && mean.size() != 3) || std.size() != mean.size()) {
    refuse("mean has " + std::to_string(mean.size()) + " and std " + std::to_string(std.size()) +
           " entries; both need 3 (RGB) or 1 (grey)");
  }
  for (size_t c = 0; c < mean.size(); ++c) {
    if (std::isfinite(mean[c]) && std::isfinite(std[c]) && std[c] > 0) continue;
    refuse("channel " + std::to_string(c) + " has mean " + std::to_string(mean[c]) + " and std " +
           std::to_string(std[c]) + "; both must be finite and std positive");
  }
}

Image to_input_channels(const Image& image, const Preprocessing& preprocessing) {
  return preprocessing.mean.size() == 1 ? to_grey(image) : to_rgb(image);
}

Image resize_and_crop(const Image& image, const Preprocessing& preprocessing) {
  check_preprocessing(preprocessing);
  check_image(image, "resize_and_crop");
  const int64_t shorter = preprocessing.resize_shorter;
  int64_t height = shorter, width = shorter;
  // torchvision's int(size * long / short), in its order of operations
  const auto longer = [shorter](int64_t long_side, int64_t short_side) {
    return static_cast<int64_t>(static_cast<double>(shorter * long_side) / static_cast<double>(short_side));
  };
  if (image.width <= image.height) {
    height = longer(image.height, image.width);
  } else {
    width = longer(image.width, image.height);
  }
  const Window window = centre_window(height, width, preprocessing.crop[0], preprocessing.crop[1]);
  return resize_window(image, height, width, preprocessing.interpolation, window);
}

void normalise(const Image& image, const Preprocessing& preprocessing, float* out) {
  normalise_padded(image, preprocessing, image.height, image.width, out);
}

void normalise_padded(const Image& image, const Preprocessing& preprocessing, int64_t height, int64_t width,
                      float* out) {
  check_image(image, "normalise");
  const int64_t channels = image.channels;
  if (static_cast<int64_t>(preprocessing.mean.size()) != channels) {
    throw InvalidArgument("[normalise] the image has " + std::to_string(channels) + " channels but mean has " +
                          std::to_string(preprocessing.mean.size()) + " entries; convert the image first");
  }
  if (height < image.height || width < image.width) {
    throw InvalidArgument("[normalise] the image is " + std::to_string(image.height) + "x" +
                          std::to_string(image.width) + " (height x width) but the place for it is " +
                          std::to_string(height) + "x" + std::to_string(width) + "; make the place larger");
  }
  for (int64_t c = 0; c < channels; ++c) {
    const float mean = static_cast<float>(preprocessing.mean[c]);
    const float std = static_cast<float>(preprocessing.std[c]);
    std::array<float, 256> table;
    for (int value = 0; value < 256; ++value) table[value] = (static_cast<float>(value) / 255.0f - mean) / std;
    for (int64_t y = 0; y < image.height; ++y, out += width) {
      const uint8_t* in = image.pixels.data() + y * image.width * channels + c;
      for (int64_t x = 0; x < image.width; ++x) out[x] = table[in[x * channels]];
      std::fill(out + image.width, out + width, 0.0f);
    }
    out = std::fill_n(out, (height - image.height) * width, 0.0f);
  }
}

void evaluation_transform(const Image& image, const Preprocessing& preprocessing, float* out) {
  check_image(image, "evaluation_transform");
  if (preprocessing.mean.size() == 1) {
    normalise(resize_and_crop(to_grey(image), preprocessing), preprocessing, out);
  } else {
    normalise(to_rgb(resize_and_crop(image, preprocessing)), preprocessing, out);
  }
}

}  // namespace retentive::datasets
