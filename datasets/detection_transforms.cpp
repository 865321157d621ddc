#include <algorithm>
#include <cmath>
#include <string>

#include <opencv2/imgproc.hpp>

#include <datasets/detail/mat_view.h>
#include <datasets/detection_transforms.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

constexpr int64_t kMaxSide = 1 << 20;  // sides and their products stay far from overflow

void check_sizes(const char* where, int64_t height, int64_t width) {
  if (height > 0 && width > 0 && height <= kMaxSide && width <= kMaxSide) return;
  throw InvalidArgument(std::string("[") + where + "] the size is " + std::to_string(height) + "x" +
                        std::to_string(width) + " (height x width); 1 to " + std::to_string(kMaxSide) +
                        " is accepted for both");
}

Image detection_picture(const Image& image, const ResizedSize& size, const Preprocessing& preprocessing) {
  if (preprocessing.mean.size() == 1) return resize_bilinear(to_grey(image), size.height, size.width);
  return to_rgb(resize_bilinear(image, size.height, size.width));
}

Box clipped(double x0, double y0, double x1, double y1, double width, double height) {
  const auto cut = [](double value, double high) { return static_cast<float>(std::clamp(value, 0.0, high)); };
  return {cut(x0, width), cut(y0, height), cut(x1, width), cut(y1, height)};
}

}  // namespace

ResizedSize keep_ratio_size(int64_t height, int64_t width, int64_t shorter, int64_t longer) {
  check_sizes("keep_ratio_size", height, width);
  check_sizes("keep_ratio_size", shorter, longer);
  const double scale = std::min(static_cast<double>(longer) / static_cast<double>(std::max(height, width)),
                                static_cast<double>(shorter) / static_cast<double>(std::min(height, width)));
  const auto scaled = [scale](int64_t side) {
    return std::max<int64_t>(static_cast<int64_t>(static_cast<double>(side) * scale + 0.5), 1);
  };
  ResizedSize size{scaled(height), scaled(width), 1, 1};
  size.scale_x = static_cast<double>(size.width) / static_cast<double>(width);
  size.scale_y = static_cast<double>(size.height) / static_cast<double>(height);
  return size;
}

ResizedSize detection_size(int64_t height, int64_t width, const Preprocessing& preprocessing) {
  check_detection_preprocessing(preprocessing);
  return keep_ratio_size(height, width, preprocessing.resize_shorter, preprocessing.resize_longer);
}

int64_t padded_side(int64_t side, int64_t divisor) {
  check_sizes("padded_side", side, divisor);
  return (side + divisor - 1) / divisor * divisor;
}

Box to_original(const Box& box, const ResizedSize& resized) {
  const auto original = [](int64_t side, double scale) { return std::round(static_cast<double>(side) / scale); };
  return clipped(box.x0 / resized.scale_x, box.y0 / resized.scale_y, box.x1 / resized.scale_x, box.y1 / resized.scale_y,
                 original(resized.width, resized.scale_x), original(resized.height, resized.scale_y));
}

Box to_resized(const Box& box, const ResizedSize& resized) {
  return clipped(box.x0 * resized.scale_x, box.y0 * resized.scale_y, box.x1 * resized.scale_x, box.y1 * resized.scale_y,
                 static_cast<double>(resized.width), static_cast<double>(resized.height));
}

Image resize_bilinear(const Image& image, int64_t height, int64_t width) {
  check_image(image, "resize_bilinear");
  check_sizes("resize_bilinear", image.height, image.width);
  check_sizes("resize_bilinear", height, width);
  if (height == image.height && width == image.width) return image;
  Image out{height, width, image.channels, {}};
  out.pixels.resize(height * width * image.channels);
  cv::Mat target = detail::mat_view(out);
  cv::resize(detail::mat_view(image), target, target.size(), 0, 0, cv::INTER_LINEAR);
  return out;
}

void check_detection_preprocessing(const Preprocessing& preprocessing) {
  check_preprocessing(preprocessing);
  if (preprocessing.resize_longer > 0) return;
  throw InvalidArgument("[preprocessing] resize_longer is 0, which makes inputs of a classifier; a detector needs " +
                        std::to_string(preprocessing.resize_shorter) + " (resize_shorter) or more, such as 1333");
}

ResizedSize detection_input(const Image& image, const Preprocessing& preprocessing, int64_t height, int64_t width,
                            float* out) {
  check_image(image, "detection_input");
  const ResizedSize size = detection_size(image.height, image.width, preprocessing);
  normalise_padded(detection_picture(image, size, preprocessing), preprocessing, height, width, out);
  return size;
}

DetectionInput detection_input(const Image& image, const Preprocessing& preprocessing, int64_t divisor) {
  check_image(image, "detection_input");
  const ResizedSize size = detection_size(image.height, image.width, preprocessing);
  DetectionInput input{static_cast<int64_t>(preprocessing.mean.size()),
                       padded_side(size.height, divisor),
                       padded_side(size.width, divisor),
                       {},
                       size};
  input.values.resize(input.channels * input.height * input.width);
  normalise_padded(detection_picture(image, size, preprocessing), preprocessing, input.height, input.width,
                   input.values.data());
  return input;
}

}  // namespace retentive::datasets
