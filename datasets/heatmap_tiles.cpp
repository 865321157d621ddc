#include <algorithm>
#include <cmath>
#include <cstdio>

#include <opencv2/imgproc.hpp>

#include <datasets/detail/label_plate.h>
#include <datasets/detail/mat_view.h>
#include <datasets/detail/palette.h>
#include <datasets/heatmap.h>
#include <datasets/resize.h>
#include <retention/base/error.h>

namespace retentive::datasets {
namespace {

using Colour = std::array<uint8_t, 3>;

constexpr Colour kGround = {16, 20, 26};
constexpr Colour kInk = {226, 231, 238};
constexpr int64_t kGap = 14;
constexpr int64_t kTitle = 26;  // pixels of a line of text
constexpr int kCapital = 12;

Image ground(int64_t height, int64_t width) {
  Image image{height, width, 3, {}};
  image.pixels.reserve(static_cast<size_t>(height * width * 3));
  for (int64_t i = 0; i < height * width; ++i) image.pixels.insert(image.pixels.end(), kGround.begin(), kGround.end());
  return image;
}

void paste(const Image& picture, int64_t top, int64_t left, Image& canvas) {
  const Image colour = to_rgb(picture);
  const cv::Rect place(static_cast<int>(left), static_cast<int>(top), static_cast<int>(colour.width),
                       static_cast<int>(colour.height));
  detail::mat_view(colour).copyTo(detail::mat_view(canvas)(place));
}

// Where a line of text stands in relation to the point that it is written at.
enum class Anchor { left, centre, right };

// Text no wider than `room`, its line beginning at `top`.
void write(const std::string& text, int64_t top, int64_t at, int64_t room, Anchor anchor, Image& canvas) {
  const cv::Size limit(static_cast<int>(room), static_cast<int>(canvas.height));
  const cv::Mat letters = detail::make_plate(text, "", kCapital, limit).text;
  if (letters.empty()) return;
  const int64_t shift = anchor == Anchor::left ? 0 : anchor == Anchor::right ? letters.cols : letters.cols / 2;
  const int64_t left = std::clamp<int64_t>(at - shift, 0, std::max<int64_t>(0, canvas.width - letters.cols));
  for (int y = 0; y < letters.rows && top + y < canvas.height; ++y) {
    const uint8_t* cover = letters.ptr<uint8_t>(y);
    uint8_t* out = canvas.pixels.data() + ((top + y) * canvas.width + left) * 3;
    for (int x = 0; x < letters.cols && left + x < canvas.width; ++x, out += 3) {
      for (size_t c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>(out[c] + (kInk[c] - out[c]) * cover[x] / 255);
    }
  }
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

// The numbers written at a scale, with their places on it, 0 to 1.
std::vector<std::pair<double, std::string>> ticks(const ColourScale& scale) {
  if (!scale.logarithmic) {
    const double middle = (scale.low + scale.high) / 2;
    return {{0, number_text(scale.low)}, {0.5, number_text(middle)}, {1, number_text(scale.high)}};
  }
  const double decades = std::log10(scale.high / scale.low);
  std::vector<std::pair<double, std::string>> found;
  for (int i = 0; i <= static_cast<int>(decades + 1e-9); ++i) {
    found.emplace_back(i / decades, number_text(scale.low * std::pow(10, i)));
  }
  return found;
}

void draw_scale(const ColourScale& scale, const std::string& title, int64_t top, Image& canvas) {
  constexpr int64_t kBar = 12, kWidest = 420;
  const int64_t width = std::min(kWidest, canvas.width - 2 * kGap), left = (canvas.width - width) / 2;
  if (!title.empty()) write(title, top, canvas.width / 2, canvas.width, Anchor::centre, canvas);
  const int64_t bar = top + (title.empty() ? 0 : kTitle);
  const auto palette = detail::palette(scale.colours);
  Image colours{1, width, 3, {}};
  for (int64_t x = 0; x < width; ++x) {
    const auto& colour = palette[static_cast<size_t>(x * 255 / std::max<int64_t>(1, width - 1))];
    colours.pixels.insert(colours.pixels.end(), colour.begin(), colour.end());
  }
  for (int64_t y = 0; y < kBar; ++y) paste(colours, bar + y, left, canvas);
  for (const auto& [at, text] : ticks(scale)) {
    const auto anchor = at == 0 ? Anchor::left : at == 1 ? Anchor::right : Anchor::centre;
    write(text, bar + kBar, left + std::lround(at * static_cast<double>(width)), width, anchor, canvas);
  }
}

}  // namespace

void frame_cell(Image& picture, int64_t row, int64_t column, double cell) {
  check_image(picture, "heatmap");
  const auto edge = [&](int64_t index) { return static_cast<int>(std::lround(static_cast<double>(index) * cell)); };
  cv::Mat canvas = detail::mat_view(picture);
  const cv::Rect place(cv::Point(edge(column), edge(row)), cv::Point(edge(column + 1), edge(row + 1)));
  const int line = cell >= 12 ? 2 : 1;
  // White within black: one of them stands out from whatever is below.
  cv::rectangle(canvas, place, cv::Scalar(0, 0, 0), 2 * line + 1);
  cv::rectangle(canvas, place, cv::Scalar(255, 255, 255), line);
}

Image with_side_bars(const Image& picture, const Image& left, const Image& below) {
  constexpr int64_t kSpace = 4;
  Image canvas = ground(picture.height + kSpace + below.height, picture.width + kSpace + left.width);
  paste(left, 0, 0, canvas);
  paste(picture, 0, left.width + kSpace, canvas);
  paste(below, picture.height + kSpace, left.width + kSpace, canvas);
  return canvas;
}

Image tile_pictures(std::span<const Tile> tiles, int64_t columns, const std::optional<ColourScale>& scale,
                    const std::string& scale_title) {
  if (tiles.empty() || columns < 1) {
    throw InvalidArgument("[heatmap] " + std::to_string(tiles.size()) + " tiles in " + std::to_string(columns) +
                          " columns; at least one of each is accepted");
  }
  int64_t height = 0, width = 0;
  bool titled = false;
  for (const auto& tile : tiles) {
    check_image(tile.picture, "heatmap");
    height = std::max(height, tile.picture.height);
    width = std::max(width, tile.picture.width);
    titled = titled || !tile.title.empty();
  }
  if (scale) detail::check_scale(*scale);
  const int64_t title = titled ? kTitle : 0, count = static_cast<int64_t>(tiles.size());
  columns = std::min(columns, count);
  const int64_t rows = (count + columns - 1) / columns, bar = !scale ? 0 : scale_title.empty() ? 46 : 46 + kTitle;
  const int64_t bottom = kGap + rows * (title + height + kGap);
  Image canvas = ground(bottom + bar, kGap + columns * (width + kGap));
  for (int64_t i = 0; i < count; ++i) {
    const auto& tile = tiles[static_cast<size_t>(i)];
    const int64_t top = kGap + i / columns * (title + height + kGap), left = kGap + i % columns * (width + kGap);
    write(tile.title, top, left, width, Anchor::left, canvas);
    paste(tile.picture, top + title, left, canvas);
  }
  if (scale) draw_scale(*scale, scale_title, bottom, canvas);
  return canvas;
}

}  // namespace retentive::datasets
