#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include <datasets/resize.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

// Pillow's fixed point: 8 bits of pixel and 2 of head-room leave 22 for the weights.
constexpr int kPrecisionBits = 32 - 8 - 2;

double bilinear(double x) {
  x = std::abs(x);
  return x < 1 ? 1 - x : 0;
}

double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0;
}

/// Weights of outputs [begin, begin + count) of one axis: output i sums inputs first[i] .. first[i] + taps[i].
struct AxisWeights {
  std::vector<int64_t> first;
  std::vector<int64_t> taps;
  int64_t stride = 0;
  std::vector<int32_t> weights;  // [count, stride]
};

AxisWeights axis_weights(int64_t in_size, int64_t out_size, int64_t begin, int64_t count, Interpolation interpolation) {
  const bool cubic = interpolation == Interpolation::bicubic;
  const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double filter_scale = std::max(scale, 1.0);
  const double support = (cubic ? 2.0 : 1.0) * filter_scale;
  const double inverse = 1.0 / filter_scale;
  AxisWeights axis;
  axis.stride = std::min(static_cast<int64_t>(std::ceil(support)) * 2 + 1, in_size);
  axis.weights.resize(count * axis.stride);
  std::vector<double> row(axis.stride);
  for (int64_t i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(begin + i) + 0.5) * scale;
    const int64_t low = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const int64_t high = std::min(static_cast<int64_t>(centre + support + 0.5), in_size);
    double sum = 0;
    for (int64_t x = low; x < high; ++x) {
      const double position = (static_cast<double>(x) - centre + 0.5) * inverse;
      row[x - low] = cubic ? bicubic(position) : bilinear(position);
      sum += row[x - low];
    }
    for (int64_t k = 0; k < high - low; ++k) {
      const double fixed = (sum != 0 ? row[k] / sum : row[k]) * (1 << kPrecisionBits);
      axis.weights[i * axis.stride + k] = static_cast<int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    axis.first.push_back(low);
    axis.taps.push_back(high - low);
  }
  return axis;
}

uint8_t to_pixel(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255)); }

template <int Channels>
void resample_row(const uint8_t* in, const AxisWeights& axis, uint8_t* out) {
  for (size_t x = 0; x < axis.first.size(); ++x) {
    const uint8_t* source = in + axis.first[x] * Channels;
    const int32_t* weights = axis.weights.data() + static_cast<int64_t>(x) * axis.stride;
    int32_t sum[Channels];
    std::fill_n(sum, Channels, 1 << (kPrecisionBits - 1));
    for (int64_t k = 0; k < axis.taps[x]; ++k) {
      for (int c = 0; c < Channels; ++c) sum[c] += source[k * Channels + c] * weights[k];
    }
    for (int c = 0; c < Channels; ++c) out[x * Channels + c] = to_pixel(sum[c]);
  }
}

/// Columns of rows [first_row, first_row + rows) become [rows, columns of the axis].
Image resample_columns(const Image& image, const AxisWeights& axis, int64_t first_row, int64_t rows) {
  Image out{rows, static_cast<int64_t>(axis.first.size()), image.channels, {}};
  out.pixels.resize(rows * out.width * out.channels);
  const auto run = image.channels == 1 ? resample_row<1> : resample_row<3>;
  for (int64_t y = 0; y < rows; ++y) {
    run(image.pixels.data() + (first_row + y) * image.width * image.channels, axis,
        out.pixels.data() + y * out.width * out.channels);
  }
  return out;
}

/// Rows of `image`, whose first row is row `first_row` of the axis' input, become the rows of the axis.
Image resample_rows(const Image& image, const AxisWeights& axis, int64_t first_row) {
  const int64_t length = image.width * image.channels;
  Image out{static_cast<int64_t>(axis.first.size()), image.width, image.channels, {}};
  out.pixels.resize(out.height * length);
  std::vector<int32_t> sums(length);
  for (int64_t y = 0; y < out.height; ++y) {
    std::fill(sums.begin(), sums.end(), 1 << (kPrecisionBits - 1));
    for (int64_t k = 0; k < axis.taps[y]; ++k) {
      const int32_t weight = axis.weights[y * axis.stride + k];
      const uint8_t* source = image.pixels.data() + (axis.first[y] + k - first_row) * length;
      for (int64_t i = 0; i < length; ++i) sums[i] += source[i] * weight;
    }
    std::transform(sums.begin(), sums.end(), out.pixels.begin() + y * length, to_pixel);
  }
  return out;
}

void check_size(int64_t height, int64_t width, const char* where) {
  if (height > 0 && width > 0) return;
  throw InvalidArgument(std::string("[") + where + "] the size asked for is " + std::to_string(height) + "x" +
                        std::to_string(width) + " (height x width); both must be positive");
}

/// The resampled window, which lies inside of [height, width].
Image resample_inside(const Image& image, int64_t height, int64_t width, Interpolation interpolation,
                      const Window& window) {
  const AxisWeights rows = axis_weights(image.height, height, window.top, window.height, interpolation);
  const int64_t first = rows.first.front();
  const int64_t last = rows.first.back() + rows.taps.back();
  if (width == image.width) {
    Image band = crop(image, {first, window.left, last - first, window.width});
    return height == image.height ? crop(band, {window.top - first, 0, window.height, window.width})
                                  : resample_rows(band, rows, first);
  }
  const AxisWeights columns = axis_weights(image.width, width, window.left, window.width, interpolation);
  if (height == image.height) return resample_columns(image, columns, window.top, window.height);
  return resample_rows(resample_columns(image, columns, first, last - first), rows, first);
}

}  // namespace

void check_image(const Image& image, const char* where) {
  const bool countable = image.height > 0 && image.width > 0 && (image.channels == 1 || image.channels == 3) &&
                         image.height <= INT64_MAX / image.channels / image.width;
  if (countable && static_cast<int64_t>(image.pixels.size()) == image.height * image.width * image.channels) return;
  throw InvalidArgument(std::string("[") + where + "] the image is [" + std::to_string(image.height) + ", " +
                        std::to_string(image.width) + ", " + std::to_string(image.channels) + "] with " +
                        std::to_string(image.pixels.size()) +
                        " pixel bytes; height and width must be positive, channels 1 or 3, and their product the size");
}

Image resize(const Image& image, int64_t height, int64_t width, Interpolation interpolation) {
  check_image(image, "resize");
  check_size(height, width, "resize");
  return resample_inside(image, height, width, interpolation, {0, 0, height, width});
}

Image resize_window(const Image& image, int64_t height, int64_t width, Interpolation interpolation,
                    const Window& window) {
  check_image(image, "resize_window");
  check_size(height, width, "resize_window");
  check_size(window.height, window.width, "resize_window");
  const int64_t top = std::clamp<int64_t>(window.top, 0, height);
  const int64_t left = std::clamp<int64_t>(window.left, 0, width);
  const int64_t bottom = std::clamp<int64_t>(window.top + window.height, 0, height);
  const int64_t right = std::clamp<int64_t>(window.left + window.width, 0, width);
  if (bottom <= top || right <= left) {
    return {window.height, window.width, image.channels,
            std::vector<uint8_t>(window.height * window.width * image.channels)};
  }
  Image inside = resample_inside(image, height, width, interpolation, {top, left, bottom - top, right - left});
  if (inside.height == window.height && inside.width == window.width) return inside;
  return crop(inside, {window.top - top, window.left - left, window.height, window.width});
}

Image crop(const Image& image, const Window& window) {
  check_image(image, "crop");
  check_size(window.height, window.width, "crop");
  Image out{window.height, window.width, image.channels, {}};
  out.pixels.resize(out.height * out.width * out.channels);
  const int64_t left = std::clamp<int64_t>(window.left, 0, image.width);
  const int64_t right = std::clamp<int64_t>(window.left + window.width, left, image.width);
  const int64_t top = std::clamp<int64_t>(window.top, 0, image.height);
  const int64_t bottom = std::clamp<int64_t>(window.top + window.height, top, image.height);
  for (int64_t y = top; y < bottom && right > left; ++y) {
    const int64_t target = (y - window.top) * window.width + (left - window.left);
    std::memcpy(out.pixels.data() + target * out.channels,
                image.pixels.data() + (y * image.width + left) * image.channels, (right - left) * image.channels);
  }
  return out;
}

Window centre_window(int64_t height, int64_t width, int64_t crop_height, int64_t crop_width) {
  // torchvision pads first, the odd pixel at the far side, and rounds the cut half to even.
  const auto start = [](int64_t size, int64_t cut) {
    if (cut > size) return -((cut - size) / 2);
    const int64_t spare = size - cut;
    return spare % 4 == 3 ? spare / 2 + 1 : spare / 2;
  };
  return {start(height, crop_height), start(width, crop_width), crop_height, crop_width};
}

Image centre_crop(const Image& image, int64_t height, int64_t width) {
  return crop(image, centre_window(image.height, image.width, height, width));
}

Image to_grey(const Image& image) {
  check_image(image, "to_grey");
  if (image.channels == 1) return image;
  Image out{image.height, image.width, 1, {}};
  out.pixels.resize(image.height * image.width);
  for (size_t i = 0; i < out.pixels.size(); ++i) {
    const uint8_t* p = image.pixels.data() + 3 * i;
    out.pixels[i] = static_cast<uint8_t>((19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 0x8000) >> 16);
  }
  return out;
}

Image to_rgb(const Image& image) {
  check_image(image, "to_rgb");
  if (image.channels == 3) return image;
  Image out{image.height, image.width, 3, {}};
  out.pixels.resize(image.pixels.size() * 3);
  for (size_t i = 0; i < image.pixels.size(); ++i) std::fill_n(out.pixels.data() + 3 * i, 3, image.pixels[i]);
  return out;
}

}  // namespace retentive::datasets
