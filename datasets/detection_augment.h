#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <datasets/detection_dataset.h>
#include <datasets/detection_transforms.h>
#include <datasets/random.h>
#include <retention/base/export.h>

namespace retentive::datasets {

/// Training-time augmentation of annotated images. By default only mirrored, at the size of the preprocessing.
struct DetectionAugment {
  double hflip = 0.5;
  std::vector<int64_t> shorter_sides;
  int64_t longer_side = 0;
  double crop = 0;
  std::vector<int64_t> crop_shorter_sides = {400, 500, 600};
  std::array<int64_t, 2> crop_size = {384, 600};
  bool empty_crop = false;
  double brightness = 0;
  double contrast = 0;
  double saturation = 0;
  double min_box_size = 1;

  /// Calls f(name, member, help) for every field, in order.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("hflip", self.hflip, "probability of mirroring left and right");
    f("shorter_sides", self.shorter_sides, "shorter side, one of these; none = resize_shorter of the preprocessing");
    f("longer_side", self.longer_side, "most pixels of the longer side; 0 = resize_longer of the preprocessing");
    f("crop", self.crop, "probability of cutting a window out before the resize, as DETR does");
    f("crop_shorter_sides", self.crop_shorter_sides, "shorter side, one of these, that the window is cut from");
    f("crop_size", self.crop_size, "sides of the window in pixels [min, max]");
    f("empty_crop", self.empty_crop, "accept windows that hold no object of an image that has some");
    f("brightness", self.brightness, "brightness factor is drawn from 1 -/+ this");
    f("contrast", self.contrast, "contrast factor is drawn from 1 -/+ this");
    f("saturation", self.saturation, "saturation factor is drawn from 1 -/+ this");
    f("min_box_size", self.min_box_size, "objects whose box ends narrower or lower than this many pixels are left out");
  }

  bool operator==(const DetectionAugment&) const = default;
};

/// Throws ConfigError naming the first field that is out of range.
RETENTIVE_API void check_detection_augment(const DetectionAugment& augment);

/// What is known of an image of a batch besides its pixels; boxes and masks in pixels of the network's input.
struct DetectionItem {
  ResizedSize resized;  ///< without padding. Its scales are those of the image; a crop's or mirror's place is not kept
  int64_t original_height = 0;
  int64_t original_width = 0;
  ImageId image_id;
  std::string name;
  std::vector<Box> boxes;       ///< [n], inside of the image, of positive area
  std::vector<int64_t> labels;  ///< [n]
  std::vector<uint8_t> crowd;   ///< [n], 1 = a region of many objects
  std::vector<uint8_t> masks;   ///< [n, resized.height, resized.width] of 0 and 1; empty when not asked for
};

/// An image resized, with the channels of the preprocessing but not yet normalised, and its objects.
struct DetectionExample {
  Image image;
  DetectionItem item;
};

/// The keep-ratio resize alone. Masks come from polygons, rasterised at the final size, or from runs, by the nearest
/// pixel; with `masks` an object that has neither is a DataError, as are boxes that are not finite or runs of another
/// size than the image. Objects whose box has no area inside of the image are left out.
/// Throws InvalidArgument for a preprocessing without `resize_longer`.
RETENTIVE_API DetectionExample detection_example(const DetectionSample& sample, const Preprocessing& preprocessing,
                                                 bool masks = false);

/// The same, augmented: with probability `crop` a random window is cut from the image at one of `crop_shorter_sides`,
/// then the keep-ratio resize to one of `shorter_sides`, mirroring, colours. A window that would keep no object of an
/// image that has some (crowds do not count) is drawn anew, up to ten times, before the image stays whole;
/// `empty_crop` accepts it, mmdetection's allow_negative_crop. Boxes are clipped to the window; an object goes when its
/// box falls below `min_box_size` or the window holds none of its mask.
/// The generator's state alone decides every draw. `augment` is taken as checked. Throws as `detection_example`.
RETENTIVE_API DetectionExample detection_example(const DetectionSample& sample, const Preprocessing& preprocessing,
                                                 const DetectionAugment& augment, bool masks, Rng& rng);

}  // namespace retentive::datasets
