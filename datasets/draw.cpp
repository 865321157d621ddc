#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include <opencv2/imgproc.hpp>

#include <datasets/detail/label_plate.h>
#include <datasets/detail/mat_view.h>
#include <datasets/draw.h>
#include <datasets/resize.h>
#include <datasets/rle.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

using Colour = std::array<uint8_t, 3>;
using vision::Detection;

[[noreturn]] void refuse(const std::string& what) { throw InvalidArgument("[draw_detections] " + what); }

void check_detection(const Detection& detection, size_t index, const Image& image) {
  const std::string name = "detection " + std::to_string(index);
  if (detection.label < 0)
    refuse(name + " has the label " + std::to_string(detection.label) + "; 0 or more is accepted");
  const vision::Box& box = detection.box;
  for (const float side : {box.x0, box.y0, box.x1, box.y1}) {
    if (!std::isfinite(side))
      refuse(name + " has a box with " + std::to_string(side) + "; finite numbers are accepted");
  }
  if (!detection.mask) return;
  if (detection.mask->height != image.height || detection.mask->width != image.width) {
    refuse(name + " has a mask of " + std::to_string(detection.mask->height) + "x" +
           std::to_string(detection.mask->width) + " (height x width) on an image of " + std::to_string(image.height) +
           "x" + std::to_string(image.width) + "; paste the mask to the image's size");
  }
  check_rle(*detection.mask, "draw_detections");
}

void check_options(const DrawOptions& options) {
  const auto number = [](const char* name, double value, double high) {
    if (value >= 0 && value <= high) return;
    refuse(std::string(name) + " is " + std::to_string(value) + "; 0 to " + std::to_string(high) + " is accepted");
  };
  number("mask_opacity", options.mask_opacity, 1);
  number("line_scale", options.line_scale, 20);
  number("text_scale", options.text_scale, 20);
}

/// The pixels that the box touches inside of the image; empty when it lies outside or has no area.
cv::Rect pixels_of(const vision::Box& box, const Image& image) {
  const auto cut = [](double at, int64_t side) {
    return static_cast<int>(std::clamp(at, 0.0, static_cast<double>(side)));
  };
  if (!(box.width() > 0 && box.height() > 0)) return {};
  const cv::Point low(cut(std::floor(box.x0), image.width), cut(std::floor(box.y0), image.height));
  const cv::Point high(cut(std::ceil(box.x1), image.width), cut(std::ceil(box.y1), image.height));
  return {low, high};
}

void blend_pixel(uint8_t* pixel, const Colour& colour, double opacity) {
  for (int c = 0; c < 3; ++c) {
    pixel[c] = static_cast<uint8_t>(pixel[c] + (colour[c] - pixel[c]) * opacity + 0.5);
  }
}

/// The ones of a mask within `area`, surrounded by a border of zeros.
cv::Mat mask_pixels(const RleMask& mask, const cv::Rect& area, int border) {
  cv::Mat pixels = cv::Mat::zeros(area.height + 2 * border, area.width + 2 * border, CV_8UC1);
  int64_t at = 0;
  for (size_t run = 0; run < mask.counts.size(); ++run) {
    const int64_t end = at + mask.counts[run];
    for (; run % 2 == 1 && at < end; ++at) {
      const int64_t x = at / mask.height - area.x, y = at % mask.height - area.y;
      pixels.at<uint8_t>(static_cast<int>(y) + border, static_cast<int>(x) + border) = 1;
    }
    at = end;
  }
  return pixels;
}

void draw_mask(const RleMask& mask, const Colour& colour, int line, double opacity, cv::Mat& canvas) {
  const vision::Box box = rle_box(mask);
  const cv::Rect area(static_cast<int>(box.x0), static_cast<int>(box.y0), static_cast<int>(box.width()),
                      static_cast<int>(box.height()));
  if (area.empty()) return;
  const cv::Mat whole = mask_pixels(mask, area, line);
  cv::Mat inner;
  cv::erode(whole, inner, cv::getStructuringElement(cv::MORPH_RECT, {2 * line + 1, 2 * line + 1}));
  for (int y = 0; y < area.height; ++y) {
    const uint8_t* is_mask = whole.ptr<uint8_t>(y + line) + line;
    const uint8_t* is_inner = inner.ptr<uint8_t>(y + line) + line;
    uint8_t* out = canvas.ptr<uint8_t>(area.y + y) + 3 * area.x;
    for (int x = 0; x < area.width; ++x) {
      if (is_mask[x]) blend_pixel(out + 3 * x, colour, is_inner[x] ? opacity : 1);
    }
  }
}

void draw_frame(const cv::Rect& box, const Colour& colour, int line, cv::Mat& canvas) {
  const cv::Scalar value(colour[0], colour[1], colour[2]);
  const int across = std::min(line, (box.width + 1) / 2), down = std::min(line, (box.height + 1) / 2);
  canvas(cv::Rect(box.x, box.y, box.width, down)).setTo(value);
  canvas(cv::Rect(box.x, box.y + box.height - down, box.width, down)).setTo(value);
  canvas(cv::Rect(box.x, box.y, across, box.height)).setTo(value);
  canvas(cv::Rect(box.x + box.width - across, box.y, across, box.height)).setTo(value);
}

std::string score_text(double score) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f", score);
  return text;
}

struct Sizes {
  int line;
  int capital;
};

Sizes drawing_sizes(const Image& image, const DrawOptions& options) {
  const double diagonal = std::hypot(static_cast<double>(image.height), static_cast<double>(image.width));
  const auto pixels = [](double size, int least) { return std::max(least, static_cast<int>(std::lround(size))); };
  return {pixels(diagonal / 360 * options.line_scale, 1), pixels(diagonal / 65 * options.text_scale, 7)};
}

/// Indices of the detections, those with the largest `key` first.
template <class Key>
std::vector<size_t> sorted_by(std::span<const Detection> detections, Key key) {
  std::vector<size_t> order(detections.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return key(detections[a]) > key(detections[b]); });
  return order;
}

void draw_plates(std::span<const Detection> detections, const std::vector<std::string>& labels,
                 const DrawOptions& options, int capital, const Image& image, cv::Mat& canvas) {
  std::vector<detail::LabelPlate> plates;
  std::vector<Colour> colours;
  for (const size_t index : sorted_by(detections, [](const Detection& d) { return d.score; })) {
    const Detection& detection = detections[index];
    const cv::Rect box = pixels_of(detection.box, image);
    if (box.empty()) continue;
    const bool named = detection.label < static_cast<int64_t>(labels.size());
    const std::string name = named ? labels[detection.label] : std::to_string(detection.label);
    detail::LabelPlate plate = detail::make_plate(
        options.names ? name : "", options.scores ? score_text(detection.score) : "", capital, canvas.size());
    if (plate.text.empty()) continue;
    detail::place_plate(plate, box, canvas.size(), plates);
    plates.push_back(std::move(plate));
    colours.push_back(class_colour(detection.label));
  }
  for (size_t i = plates.size(); i-- > 0;) detail::paint_plate(plates[i], colours[i], canvas);
}

}  // namespace

Colour class_colour(int64_t label) {
  constexpr Colour kColours[] = {{230, 159, 0}, {86, 180, 233}, {0, 158, 115},  {240, 228, 66},
                                 {0, 114, 178}, {213, 94, 0},   {204, 121, 167}};
  constexpr int64_t kCount = std::size(kColours);
  if (label < 0) throw InvalidArgument("[class_colour] label is " + std::to_string(label) + "; 0 or more is accepted");
  Colour colour = kColours[label % kCount];
  const int64_t round = label / kCount % 3;
  for (uint8_t& value : colour) {
    if (round == 1) value = static_cast<uint8_t>(255 - (255 - value) * 11 / 20);
    if (round == 2) value = static_cast<uint8_t>(value * 11 / 20);
  }
  return colour;
}

Image draw_detections(const Image& image, std::span<const Detection> detections, const std::vector<std::string>& labels,
                      const DrawOptions& options) {
  check_image(image, "draw_detections");
  check_options(options);
  for (size_t i = 0; i < detections.size(); ++i) check_detection(detections[i], i, image);
  Image drawn = to_rgb(image);
  cv::Mat canvas = detail::mat_view(drawn);
  const Sizes sizes = drawing_sizes(image, options);
  const auto largest_first = sorted_by(detections, [](const Detection& d) { return d.box.width() * d.box.height(); });
  for (const size_t i : largest_first) {
    const auto& mask = detections[i].mask;
    if (options.masks && mask) {
      draw_mask(*mask, class_colour(detections[i].label), sizes.line, options.mask_opacity, canvas);
    }
  }
  for (const size_t i : largest_first) {
    const cv::Rect box = pixels_of(detections[i].box, image);
    if (options.boxes && !box.empty()) draw_frame(box, class_colour(detections[i].label), sizes.line, canvas);
  }
  if (options.names || options.scores) draw_plates(detections, labels, options, sizes.capital, image, canvas);
  return drawn;
}

}  // namespace retentive::datasets
