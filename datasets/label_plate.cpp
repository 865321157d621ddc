#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include <datasets/detail/label_plate.h>

namespace retentive::datasets::detail {

namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kCapital = 21;  // height of the font's capitals at scale 1
constexpr int kSmallest = 7;     // pixels of a capital that can still be read

std::string printable(const std::string& text) {
  std::string ascii;
  for (const unsigned char byte : text) {
    if (byte >= 0x80 && byte < 0xc0) continue;  // the rest of a letter that began before
    ascii += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
  }
  return ascii;
}

/// How a text of capitals of `height` pixels is drawn: `zoom` times larger, then averaged, for the font's strokes alone
/// are too coarse at a few pixels.
struct Lettering {
  Lettering(const std::string& text, int height) : zoom(height < 24 ? 6 : 2), margin(height < 10 ? 1 : height / 3) {
    scale = height * zoom / kCapital;
    stroke = std::max(1, static_cast<int>(std::lround(height * zoom * 0.15)));
    int descent = 0;
    const int width = cv::getTextSize(text, kFont, scale, stroke, &descent).width;
    const int below = height / 3;  // room of letters such as g
    plate = {(width + zoom - 1) / zoom + 2 * margin, height + below + 2 * margin};
  }

  int zoom, margin, stroke = 1;
  double scale = 1;
  cv::Size plate;
};

cv::Mat render(const std::string& text, int height) {
  const Lettering letters(text, height);
  const int zoom = letters.zoom;
  cv::Mat large = cv::Mat::zeros(letters.plate.height * zoom, letters.plate.width * zoom, CV_8UC1);
  cv::putText(large, text, {letters.margin * zoom, (letters.margin + height) * zoom}, kFont, letters.scale, 255,
              letters.stroke, cv::LINE_AA);
  cv::Mat text_mask;
  cv::resize(large, text_mask, {}, 1.0 / zoom, 1.0 / zoom, cv::INTER_AREA);
  return text_mask;
}

double linear(uint8_t value) {
  const double v = value / 255.0;
  return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
}

/// Whether black stands out more than white (W3C's contrast of relative luminances).
bool takes_black(const std::array<uint8_t, 3>& colour) {
  const double luminance = 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
  return (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05);
}

}  // namespace

LabelPlate make_plate(const std::string& name, const std::string& score, int height, cv::Size image) {
  // A letter takes a pixel at least: what is longer than the image is wide never fits.
  std::string title = printable(name.substr(0, 4 * static_cast<size_t>(image.width)));
  title.resize(std::min(title.size(), static_cast<size_t>(image.width)));
  const std::string whole = title.empty() || score.empty() ? title + score : title + " " + score;
  if (whole.empty()) return {};
  const auto fits = [&](const std::string& text) {
    const cv::Size plate = Lettering(text, height).plate;
    return plate.width <= image.width && plate.height * 2 <= image.height;
  };
  const int smallest = std::min(height, kSmallest);
  while (!fits(whole) && height > smallest) height = std::max(smallest, height * 3 / 4);
  if (fits(whole)) return {render(whole, height), {}};
  if (!title.empty() && fits(title)) return {render(title, height), {}};
  size_t least = 0, most = title.size();  // letters before the ellipsis: `least` fit, `most` do not
  while (most - least > 1) {
    const size_t letters = (least + most) / 2;
    (fits(title.substr(0, letters) + "...") ? least : most) = letters;
  }
  if (least == 0) return {};
  return {render(title.substr(0, least) + "...", height), {}};
}

void place_plate(LabelPlate& plate, const cv::Rect& box, cv::Size image, const std::vector<LabelPlate>& placed) {
  const cv::Size size = plate.text.size();
  const int left = box.x, right = box.x + box.width - size.width;
  const int above = box.y - size.height, below = box.y + box.height;
  std::vector<cv::Point> corners = {{left, above},
                                    {left, box.y},
                                    {left, below},
                                    {right, above},
                                    {right, box.y},
                                    {right, below},
                                    {left, below - size.height},
                                    {right, below - size.height}};
  for (const LabelPlate& other : placed) {  // next to a plate in the way, while still at this box
    const cv::Rect vicinity(left, above, std::max(box.width, size.width), box.height + 2 * size.height);
    if ((vicinity & other.place).empty()) continue;
    corners.push_back({left, other.place.y + other.place.height});
    corners.push_back({left, other.place.y - size.height});
  }
  int64_t least = INT64_MAX;
  for (const cv::Point& corner : corners) {
    const int y = std::clamp(corner.y, 0, image.height - size.height);
    const int x = std::clamp(corner.x, 0, image.width - size.width);
    const cv::Rect place({x, y}, size);
    // A plate that has to be moved off its edge counts as covering a little.
    int64_t covered = y == corner.y ? 0 : 1;
    for (const LabelPlate& other : placed) covered += 2 * static_cast<int64_t>((place & other.place).area());
    if (covered >= least) continue;
    least = covered;
    plate.place = place;
  }
}

void paint_plate(const LabelPlate& plate, const std::array<uint8_t, 3>& colour, cv::Mat& canvas) {
  const int ink = takes_black(colour) ? 0 : 255;
  for (int y = 0; y < plate.place.height; ++y) {
    const uint8_t* text = plate.text.ptr<uint8_t>(y);
    uint8_t* out = canvas.ptr<uint8_t>(plate.place.y + y) + 3 * plate.place.x;
    for (int x = 0; x < plate.place.width; ++x, out += 3) {
      for (int c = 0; c < 3; ++c) {
        out[c] = static_cast<uint8_t>((colour[c] * (255 - text[x]) + ink * text[x] + 127) / 255);
      }
    }
  }
}

}  // namespace retentive::datasets::detail
