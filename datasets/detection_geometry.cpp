#include <algorithm>
#include <cmath>

#include <datasets/augment.h>
#include <datasets/detail/detection_geometry.h>
#include <datasets/rle.h>

namespace retentive::datasets::detail {

namespace {

AxisMap axis_map(double before, double cut_at, double after, bool mirrored, int64_t side) {
  AxisMap map{before * after, -cut_at * after};
  if (mirrored) map = {-map.scale, static_cast<double>(side) - map.shift};
  return map;
}

/// For every pixel of an axis of the result the pixel of the original that covers its centre.
std::vector<int64_t> nearest_sources(const AxisMap& map, int64_t side, int64_t original_side) {
  std::vector<int64_t> sources(side);
  for (int64_t i = 0; i < side; ++i) {
    const double at = std::floor((static_cast<double>(i) + 0.5 - map.shift) / map.scale);
    sources[i] = static_cast<int64_t>(std::clamp(at, 0.0, static_cast<double>(original_side - 1)));
  }
  return sources;
}

}  // namespace

AxisMap DetectionGeometry::x_map() const {
  return axis_map(cut ? cut->from.scale_x : 1, cut ? static_cast<double>(cut->window.left) : 0, size.scale_x, mirrored,
                  size.width);
}

AxisMap DetectionGeometry::y_map() const {
  return axis_map(cut ? cut->from.scale_y : 1, cut ? static_cast<double>(cut->window.top) : 0, size.scale_y, false,
                  size.height);
}

Box place_box(const Box& box, const DetectionGeometry& geometry) {
  const AxisMap x = geometry.x_map(), y = geometry.y_map();
  const auto cut = [](double at, int64_t side) {
    return static_cast<float>(std::clamp(at, 0.0, static_cast<double>(side)));
  };
  const int64_t width = geometry.size.width, height = geometry.size.height;
  Box placed{cut(x(box.x0), width), cut(y(box.y0), height), cut(x(box.x1), width), cut(y(box.y1), height)};
  if (geometry.mirrored) std::swap(placed.x0, placed.x1);
  return placed;
}

bool is_large_enough(const Box& box, double smallest) {
  return box.width() > 0 && box.height() > 0 && box.width() >= smallest && box.height() >= smallest;
}

Image place_image(const Image& image, const DetectionGeometry& geometry) {
  const ResizedSize& size = geometry.size;
  Image placed;
  if (const auto& cut = geometry.cut) {
    placed = crop(resize_bilinear(image, cut->from.height, cut->from.width), cut->window);
    placed = resize_bilinear(placed, size.height, size.width);
  } else {
    placed = resize_bilinear(image, size.height, size.width);
  }
  if (geometry.mirrored) mirror(placed);
  return placed;
}

std::vector<uint8_t> place_mask(const ObjectAnnotation& object, const DetectionGeometry& geometry) {
  const AxisMap x = geometry.x_map(), y = geometry.y_map();
  const int64_t height = geometry.size.height, width = geometry.size.width;
  if (!object.rle) {
    auto polygons = object.polygons;
    for (auto& polygon : polygons) {
      for (size_t i = 0; i < polygon.size(); ++i) polygon[i] = i % 2 ? y(polygon[i]) : x(polygon[i]);
    }
    return rle_decode(rle_from_polygons(polygons, height, width));
  }
  const std::vector<uint8_t> whole = rle_decode(*object.rle);
  const auto rows = nearest_sources(y, height, object.rle->height);
  const auto columns = nearest_sources(x, width, object.rle->width);
  std::vector<uint8_t> mask;
  mask.reserve(height * width);
  for (const int64_t row : rows) {
    for (const int64_t column : columns) mask.push_back(whole[row * object.rle->width + column]);
  }
  return mask;
}

}  // namespace retentive::datasets::detail
