#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <datasets/detection_dataset.h>
#include <datasets/files.h>
#include <datasets/rle.h>

namespace retentive::testing {

inline const vision::Preprocessing kDetection{
    .resize_shorter = 80, .crop = {1, 1}, .mean = {0.5, 0.25, 0.125}, .std = {0.25, 0.5, 1}, .resize_longer = 133};

/// A rectangle of pixels as an object, its mask as an outline or as runs.
inline datasets::ObjectAnnotation rectangle(const std::array<int, 4>& box, int64_t label, int64_t height, int64_t width,
                                            bool as_runs) {
  const auto [x0, y0, x1, y1] = box;
  datasets::ObjectAnnotation object;
  object.box = {static_cast<float>(x0), static_cast<float>(y0), static_cast<float>(x1), static_cast<float>(y1)};
  object.label = label;
  object.area = static_cast<double>(x1 - x0) * (y1 - y0);
  if (as_runs) {
    std::vector<uint8_t> mask(height * width);
    for (int y = y0; y < y1; ++y) std::fill_n(mask.begin() + y * width + x0, x1 - x0, 1);
    object.rle = datasets::rle_encode(mask.data(), height, width);
  } else {
    const double left = x0, top = y0, right = x1, bottom = y1;
    object.polygons = {{left, top, right, top, right, bottom, left, bottom}};
  }
  return object;
}

/// An image that is black but for white where the objects are.
inline datasets::DetectionSample white_objects(int64_t height, int64_t width,
                                               std::vector<datasets::ObjectAnnotation> objects) {
  datasets::DetectionSample sample{{height, width, 3, std::vector<uint8_t>(height * width * 3)}, {}, 7, "made.png"};
  for (const auto& object : objects) {
    for (int64_t y = static_cast<int64_t>(object.box.y0); y < static_cast<int64_t>(object.box.y1); ++y) {
      std::fill_n(sample.image.pixels.begin() + (y * width + static_cast<int64_t>(object.box.x0)) * 3,
                  static_cast<int64_t>(object.box.width()) * 3, 255);
    }
  }
  sample.objects = std::move(objects);
  return sample;
}

/// Noise of the given sizes [height, width], each with one object whose label is the index of the image.
class NoiseDetectionSet : public datasets::DetectionDataset {
 public:
  explicit NoiseDetectionSet(std::vector<std::array<int64_t, 2>> sizes) : sizes_(std::move(sizes)) {}
  int64_t size() const override { return static_cast<int64_t>(sizes_.size()); }
  std::array<int64_t, 2> image_size(int64_t index) const override { return sizes_.at(index); }
  const std::vector<std::string>& class_names() const override { return names_; }
  datasets::DetectionSample get(int64_t index) const override {
    const auto [height, width] = sizes_.at(index);
    datasets::DetectionSample sample{noise_image(height, width, 3, static_cast<uint32_t>(index)), {}, 100 + index, ""};
    sample.name = std::to_string(index);
    const std::array<int, 4> box{5, 6, static_cast<int>(width) - 7, static_cast<int>(height) - 8};
    sample.objects.push_back(rectangle(box, index, height, width, index % 2 == 1));
    return sample;
  }

 private:
  std::vector<std::array<int64_t, 2>> sizes_;
  std::vector<std::string> names_ = {"thing"};
};

}  // namespace retentive::testing
