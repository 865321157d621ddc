#include <algorithm>
#include <cmath>

#include <datasets/detail/rle_runs.h>
#include <datasets/rle.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

constexpr int kScale = 5;          // steps of the fine grid to a pixel
constexpr int kBeforeCentre = 2;   // an outline crosses a pixel's centre between its fine columns 2 and 3
constexpr double kFarthest = 1e6;  // beyond, fine coordinates would leave what the arithmetic below is exact for

struct Point {
  int64_t x;
  int64_t y;
};

/// Where outlines cross the centres of columns, as positions in the mask's order from which on its value flips.
class Crossings {
 public:
  Crossings(int64_t height, int64_t width) : height_(height), width_(width) {}

  void add_edge(Point from, Point to) {
    const int64_t dx = std::abs(to.x - from.x), dy = std::abs(to.y - from.y);
    const bool flat = dx >= dy;
    if (flat ? from.x > to.x : from.y > to.y) std::swap(from, to);
    const int64_t left = std::min(from.x, to.x), right = std::max(from.x, to.x);
    const int64_t first = std::max<int64_t>(0, ceil_div(left - kBeforeCentre, kScale));
    for (int64_t column = first; column < width_; ++column) {
      const int64_t before = column * kScale + kBeforeCentre;
      if (before + 1 > right) break;
      add(column, flat ? flat_height(from, to, before) : steep_height(from, to, before));
    }
  }

  /// The runs between the crossings.
  std::vector<uint32_t> runs() && {
    cancel_pairs();
    const auto pixels = static_cast<uint32_t>(height_ * width_);
    std::vector<uint32_t> counts;
    uint32_t last = 0;
    for (const uint32_t place : places_) {
      if (place == pixels) break;
      counts.push_back(place - last);
      last = place;
    }
    counts.push_back(pixels - last);
    return counts;
  }

 private:
  static int64_t ceil_div(int64_t a, int64_t b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

  /// The smaller fine y of the two points beside the centre, on an edge with a point for every fine column.
  static int64_t flat_height(Point from, Point to, int64_t before) {
    const double slope = static_cast<double>(to.y - from.y) / static_cast<double>(to.x - from.x);
    const auto y_at = [&](int64_t x) {
      return static_cast<int64_t>(static_cast<double>(from.y) + slope * static_cast<double>(x - from.x) + 0.5);
    };
    return std::min(y_at(before), y_at(before + 1));
  }

  /// The fine y of the last point before the edge steps over the centre, with a point for every fine row.
  static int64_t steep_height(Point from, Point to, int64_t before) {
    const int64_t rows = to.y - from.y;
    const double slope = static_cast<double>(to.x - from.x) / static_cast<double>(rows);
    const bool starts_left = from.x <= before;
    int64_t low = 0, high = rows;
    while (high - low > 1) {
      const int64_t middle = low + (high - low) / 2;
      const auto x = static_cast<int64_t>(static_cast<double>(from.x) + slope * static_cast<double>(middle) + 0.5);
      ((x <= before) == starts_left ? low : high) = middle;
    }
    return from.y + low;
  }

  void add(int64_t column, int64_t fine_y) {
    const double y = (static_cast<double>(fine_y) + 0.5) / kScale - 0.5;
    const auto row = static_cast<int64_t>(std::ceil(std::clamp(y, 0.0, static_cast<double>(height_))));
    if (places_.size() == limit_) cancel_pairs();
    places_.push_back(static_cast<uint32_t>(column * height_ + row));
  }

  /// Two crossings at one place undo each other; so an outline of any length takes memory by the image's size only.
  void cancel_pairs() {
    std::sort(places_.begin(), places_.end());
    size_t kept = 0;
    for (size_t i = 0; i < places_.size(); ++i) {
      if (i + 1 < places_.size() && places_[i + 1] == places_[i]) {
        ++i;
      } else {
        places_[kept++] = places_[i];
      }
    }
    places_.resize(kept);
    limit_ = std::max(limit_, 2 * kept);
  }

  int64_t height_;
  int64_t width_;
  std::vector<uint32_t> places_;
  size_t limit_ = size_t{1} << 16;
};

void check_polygon(const std::vector<double>& polygon) {
  if (polygon.size() < 6 || polygon.size() % 2 != 0) {
    throw DataError("[rle] a polygon has " + std::to_string(polygon.size()) +
                    " values; x and y of three or more points are accepted");
  }
  for (const double value : polygon) {
    if (std::abs(value) <= kFarthest) continue;
    throw DataError("[rle] a polygon has the coordinate " + std::to_string(value) +
                    "; finite values from -1000000 to 1000000 are accepted");
  }
}

RleMask fill(const std::vector<double>& polygon, int64_t height, int64_t width) {
  check_polygon(polygon);
  const auto fine = [](double value) { return static_cast<int64_t>(kScale * value + 0.5); };
  Crossings crossings(height, width);
  for (size_t i = 0; i < polygon.size(); i += 2) {
    const size_t next = i + 2 < polygon.size() ? i + 2 : 0;
    crossings.add_edge({fine(polygon[i]), fine(polygon[i + 1])}, {fine(polygon[next]), fine(polygon[next + 1])});
  }
  return {height, width, std::move(crossings).runs()};
}

}  // namespace

RleMask rle_from_polygons(const std::vector<std::vector<double>>& polygons, int64_t height, int64_t width) {
  detail::check_mask_size(height, width, "rle_from_polygons");
  std::vector<RleMask> masks;
  for (const auto& polygon : polygons) masks.push_back(fill(polygon, height, width));
  if (masks.empty()) return {height, width, {static_cast<uint32_t>(height * width)}};
  return rle_union(masks);
}

}  // namespace retentive::datasets
