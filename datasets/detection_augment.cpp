#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include <datasets/augment.h>
#include <datasets/detail/detection_geometry.h>
#include <datasets/detection_augment.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

using detail::DetectionGeometry;

constexpr int64_t kMaxSide = 32768;
constexpr int kCropDraws = 10;

void check_object(const DetectionSample& sample, size_t index, bool masks) {
  const ObjectAnnotation& object = sample.objects[index];
  const auto refuse = [&](const std::string& what) {
    throw DataError("[detection] object " + std::to_string(index) + " of " + sample.name + " " + what);
  };
  for (const float side : {object.box.x0, object.box.y0, object.box.x1, object.box.y1}) {
    if (!std::isfinite(side)) refuse("has a box with " + std::to_string(side) + "; annotate it with finite numbers");
  }
  if (!masks) return;
  if (!object.rle && object.polygons.empty()) {
    refuse("has no mask; annotate it with polygons or runs, or train without masks");
  }
  if (object.rle && (object.rle->height != sample.image.height || object.rle->width != sample.image.width)) {
    refuse("has a mask of " + std::to_string(object.rle->height) + "x" + std::to_string(object.rle->width) +
           " (height x width) on an image of " + std::to_string(sample.image.height) + "x" +
           std::to_string(sample.image.width) + "; both must agree");
  }
}

void check_sample(const DetectionSample& sample, const Preprocessing& preprocessing, bool masks) {
  check_detection_preprocessing(preprocessing);
  check_image(sample.image, "detection_example");
  for (size_t i = 0; i < sample.objects.size(); ++i) check_object(sample, i, masks);
}

void place_objects(const DetectionSample& sample, const DetectionGeometry& geometry, double smallest, bool masks,
                   DetectionItem& item) {
  for (const ObjectAnnotation& object : sample.objects) {
    const Box box = detail::place_box(object.box, geometry);
    if (!detail::is_large_enough(box, smallest)) continue;
    if (masks) {
      const std::vector<uint8_t> mask = detail::place_mask(object, geometry);
      if (geometry.cut && std::find(mask.begin(), mask.end(), 1) == mask.end()) continue;
      item.masks.insert(item.masks.end(), mask.begin(), mask.end());
    }
    item.boxes.push_back(box);
    item.labels.push_back(object.label);
    item.crowd.push_back(object.crowd);
  }
}

DetectionExample place(const DetectionSample& sample, const Preprocessing& preprocessing,
                       const DetectionGeometry& geometry, double smallest, bool masks) {
  DetectionExample example;
  if (preprocessing.mean.size() == 1) {
    example.image = detail::place_image(to_grey(sample.image), geometry);
  } else {
    example.image = to_rgb(detail::place_image(sample.image, geometry));
  }
  DetectionItem& item = example.item;
  item.resized = geometry.size;
  item.resized.scale_x = std::abs(geometry.x_map().scale);
  item.resized.scale_y = geometry.y_map().scale;
  item.original_height = sample.image.height;
  item.original_width = sample.image.width;
  item.image_id = sample.image_id;
  item.name = sample.name;
  place_objects(sample, geometry, smallest, masks, item);
  return example;
}

int64_t pick(const std::vector<int64_t>& values, Rng& rng) {
  return values[uniform_below(rng, static_cast<int64_t>(values.size()))];
}

Window random_window(const ResizedSize& size, const std::array<int64_t, 2>& sides, Rng& rng) {
  const auto draw = [&](int64_t side) {
    const int64_t low = std::min(side, sides[0]), high = std::min(side, sides[1]);
    return low + uniform_below(rng, high - low + 1);
  };
  Window window;
  window.height = draw(size.height);
  window.width = draw(size.width);
  window.top = uniform_below(rng, size.height - window.height + 1);
  window.left = uniform_below(rng, size.width - window.width + 1);
  return window;
}

bool keeps_object(const DetectionSample& sample, const DetectionGeometry& geometry, double smallest) {
  return std::any_of(sample.objects.begin(), sample.objects.end(), [&](const ObjectAnnotation& object) {
    return !object.crowd && detail::is_large_enough(detail::place_box(object.box, geometry), smallest);
  });
}

DetectionGeometry random_geometry(const DetectionSample& sample, const Preprocessing& preprocessing,
                                  const DetectionAugment& augment, Rng& rng) {
  const Image& image = sample.image;
  const int64_t longer = augment.longer_side > 0 ? augment.longer_side : preprocessing.resize_longer;
  const int64_t shorter =
      augment.shorter_sides.empty() ? preprocessing.resize_shorter : pick(augment.shorter_sides, rng);
  const bool mirrored = uniform(rng) < augment.hflip;
  const DetectionGeometry whole{std::nullopt, keep_ratio_size(image.height, image.width, shorter, longer), mirrored};
  if (uniform(rng) >= augment.crop) return whole;
  const bool any_window = augment.empty_crop || !keeps_object(sample, whole, augment.min_box_size);
  const ResizedSize from = keep_ratio_size(image.height, image.width, pick(augment.crop_shorter_sides, rng), longer);
  for (int draw = 0; draw < kCropDraws; ++draw) {
    const Window window = random_window(from, augment.crop_size, rng);
    const DetectionGeometry cut{detail::CutWindow{from, window},
                                keep_ratio_size(window.height, window.width, shorter, longer), mirrored};
    if (any_window || keeps_object(sample, cut, augment.min_box_size)) return cut;
  }
  return whole;
}

}  // namespace

DetectionExample detection_example(const DetectionSample& sample, const Preprocessing& preprocessing, bool masks) {
  check_sample(sample, preprocessing, masks);
  const ResizedSize size = detection_size(sample.image.height, sample.image.width, preprocessing);
  return place(sample, preprocessing, {std::nullopt, size, false}, 0, masks);
}

DetectionExample detection_example(const DetectionSample& sample, const Preprocessing& preprocessing,
                                   const DetectionAugment& augment, bool masks, Rng& rng) {
  check_sample(sample, preprocessing, masks);
  const DetectionGeometry geometry = random_geometry(sample, preprocessing, augment, rng);
  DetectionExample example = place(sample, preprocessing, geometry, augment.min_box_size, masks);
  if (augment.brightness > 0 || augment.contrast > 0 || augment.saturation > 0) {
    jitter_colour(example.image, augment.brightness, augment.contrast, augment.saturation, rng);
  }
  return example;
}

void check_detection_augment(const DetectionAugment& augment) {
  const auto number = [](const char* name, double value, double low, double high) {
    if (value >= low && value <= high) return;
    throw ConfigError(std::string("[augment] ") + name + " is " + std::to_string(value) + "; " + std::to_string(low) +
                      " to " + std::to_string(high) + " is accepted");
  };
  const auto side = [](const char* name, int64_t value, int64_t low) {
    if (value >= low && value <= kMaxSide) return;
    throw ConfigError(std::string("[augment] ") + name + " holds " + std::to_string(value) + "; " +
                      std::to_string(low) + " to " + std::to_string(kMaxSide) + " is accepted");
  };
  number("hflip", augment.hflip, 0, 1);
  for (const int64_t value : augment.shorter_sides) side("shorter_sides", value, 1);
  side("longer_side", augment.longer_side, 0);
  number("crop", augment.crop, 0, 1);
  for (const int64_t value : augment.crop_shorter_sides) side("crop_shorter_sides", value, 1);
  if (augment.crop > 0 && augment.crop_shorter_sides.empty()) {
    throw ConfigError("[augment] crop_shorter_sides is empty but crop is " + std::to_string(augment.crop) +
                      "; give one side at least, such as 500, or set crop to 0");
  }
  for (const int64_t value : augment.crop_size) side("crop_size", value, 1);
  if (augment.crop_size[0] > augment.crop_size[1]) {
    throw ConfigError("[augment] crop_size is [" + std::to_string(augment.crop_size[0]) + ", " +
                      std::to_string(augment.crop_size[1]) + "]; min <= max is accepted");
  }
  number("brightness", augment.brightness, 0, 100);
  number("contrast", augment.contrast, 0, 100);
  number("saturation", augment.saturation, 0, 100);
  number("min_box_size", augment.min_box_size, 0, static_cast<double>(kMaxSide));
}

}  // namespace retentive::datasets
