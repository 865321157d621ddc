#pragma once

#include <array>

#include <datasets/random.h>
#include <datasets/transforms.h>
#include <retention/base/export.h>

namespace retentive::datasets {

/// Training-time augmentation. Everything is off by default, which makes `train_transform` the evaluation transform.
struct AugmentConfig {
  bool random_resized_crop = false;
  std::array<double, 2> crop_scale = {0.08, 1.0};
  std::array<double, 2> crop_ratio = {3.0 / 4.0, 4.0 / 3.0};
  double hflip = 0;
  double rotate = 0;
  double translate = 0;
  std::array<double, 2> affine_scale = {1.0, 1.0};
  double shear = 0;
  double brightness = 0;
  double contrast = 0;
  double saturation = 0;
  double random_erasing = 0;
  std::array<double, 2> erasing_scale = {0.02, 0.33};
  std::array<double, 2> erasing_ratio = {0.3, 3.3};
  double mixup = 0;
  double cutmix = 0;
  double label_smoothing = 0;

  /// Calls f(name, member, help) for every field, in order.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("random_resized_crop", self.random_resized_crop, "crop a random box instead of resize and centre crop");
    f("crop_scale", self.crop_scale, "area of the random box as a part of the image [min, max]");
    f("crop_ratio", self.crop_ratio, "width / height of the random box [min, max]");
    f("hflip", self.hflip, "probability of mirroring left and right");
    f("rotate", self.rotate, "largest rotation in degrees, either way");
    f("translate", self.translate, "largest shift as a part of the side, either way");
    f("affine_scale", self.affine_scale, "zoom factor [min, max]");
    f("shear", self.shear, "largest horizontal shear in degrees, either way");
    f("brightness", self.brightness, "brightness factor is drawn from 1 -/+ this");
    f("contrast", self.contrast, "contrast factor is drawn from 1 -/+ this");
    f("saturation", self.saturation, "saturation factor is drawn from 1 -/+ this");
    f("random_erasing", self.random_erasing, "probability of setting a random box to the mean colour");
    f("erasing_scale", self.erasing_scale, "area of the erased box as a part of the input [min, max]");
    f("erasing_ratio", self.erasing_ratio, "width / height of the erased box [min, max]");
    f("mixup", self.mixup, "alpha of the mixup of a batch with itself; 0 = off");
    f("cutmix", self.cutmix, "alpha of cutmix; 0 = off");
    f("label_smoothing", self.label_smoothing, "share of the target spread over all classes");
  }
};

/// Throws ConfigError naming the first field that is out of range.
RETENTIVE_API void check_augment(const AugmentConfig& config);

/// Brightness, contrast and saturation in random order, each by a factor drawn from 1 -/+ its spread; 0 = untouched.
RETENTIVE_API void jitter_colour(Image& image, double brightness, double contrast, double saturation, Rng& rng);

/// Left becomes right.
RETENTIVE_API void mirror(Image& image);

/// Augmented image as float32 [mean.size(), crop[0], crop[1]]. The generator's state alone decides every draw.
/// The batch-level fields (mixup, cutmix, label_smoothing) are left to the trainer. `config` is taken as checked.
/// Throws InvalidArgument as `evaluation_transform` does.
RETENTIVE_API void train_transform(const Image& image, const Preprocessing& preprocessing, const AugmentConfig& config,
                                   Rng& rng, float* out);

}  // namespace retentive::datasets
