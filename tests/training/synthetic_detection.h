#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <datasets/coco.h>
#include <datasets/image_io.h>
#include <datasets/random.h>
#include <datasets/rle.h>
#include <models/registry.h>
#include <models/training/run_config.h>
#include <training/synthetic.h>

namespace retentive::testing {

/// Filled squares (class 0, red, masks as outlines) and discs (class 1, green, masks as runs) on a grey ground, one or
/// two of 24 to 40 pixels in a picture; the pictures are wide and high in turn.
class ShapePictures {
 public:
  explicit ShapePictures(uint64_t seed) : rng_(seed) { set_.categories = {{3, "square", ""}, {8, "disc", ""}}; }

  void add_picture(int64_t objects) {
    const auto number = static_cast<int64_t>(set_.images.size());
    const int64_t height = number % 2 == 0 ? 64 : 96, width = 160 - height;
    set_.images.push_back({number + 1, height, width, std::to_string(number) + ".png"});
    pictures_.push_back({height, width, 3, std::vector<uint8_t>(static_cast<size_t>(3 * height * width))});
    for (auto& value : pictures_.back().pixels) value = static_cast<uint8_t>(100 + datasets::uniform_below(rng_, 20));
    // One object in each half of the longer side, so that they never meet.
    for (int64_t i = 0; i < objects; ++i) add_object(i);
  }

  /// A region of many objects over the bottom of the last picture.
  void add_crowd() {
    const auto& picture = pictures_.back();
    std::vector<uint8_t> mask(static_cast<size_t>(picture.height * picture.width));
    std::fill(mask.end() - 8 * picture.width, mask.end(), 1);
    annotate(1, {0, static_cast<double>(picture.height - 8), static_cast<double>(picture.width), 8});
    set_.annotations.back().crowd = true;
    set_.annotations.back().rle = datasets::rle_encode(mask.data(), picture.height, picture.width);
  }

  datasets::CocoAnnotations& annotations() { return set_; }

  void write(const std::filesystem::path& folder, const std::filesystem::path& annotations) const {
    std::filesystem::create_directories(folder);
    for (size_t i = 0; i < pictures_.size(); ++i) {
      datasets::write_image(folder / set_.images[i].file_name, pictures_[i]);
    }
    datasets::write_coco(annotations, set_);
  }

 private:
  void annotate(int64_t label, const datasets::CocoBox& box) {
    datasets::CocoAnnotation annotation;
    annotation.id = static_cast<int64_t>(set_.annotations.size()) + 1;
    annotation.image = static_cast<int64_t>(set_.images.size()) - 1;
    annotation.label = label;
    annotation.box = box;
    annotation.area = box[2] * box[3];
    set_.annotations.push_back(std::move(annotation));
  }

  void add_object(int64_t half) {
    auto& picture = pictures_.back();
    const bool wide = picture.width > picture.height;
    const int64_t side = 24 + datasets::uniform_below(rng_, 17);
    const int64_t along = 48 * half + datasets::uniform_below(rng_, 48 - side + 1);
    const int64_t across = datasets::uniform_below(rng_, 64 - side + 1);
    const int64_t left = wide ? along : across, top = wide ? across : along;
    const auto label = datasets::uniform_below(rng_, 2);
    std::vector<uint8_t> mask(static_cast<size_t>(picture.height * picture.width));
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t x = 0; x < side; ++x) {
        const double r = 0.5 * static_cast<double>(side);
        if (label == 1 && std::hypot(static_cast<double>(x) + 0.5 - r, static_cast<double>(y) + 0.5 - r) > r) continue;
        const auto pixel = static_cast<size_t>((top + y) * picture.width + left + x);
        mask[pixel] = 1;
        picture.pixels[3 * pixel] = label == 0 ? 220 : 30;
        picture.pixels[3 * pixel + 1] = label == 0 ? 30 : 200;
        picture.pixels[3 * pixel + 2] = 40;
      }
    }
    const auto x = static_cast<double>(left), y = static_cast<double>(top), s = static_cast<double>(side);
    annotate(label, {x, y, s, s});
    auto& annotation = set_.annotations.back();
    if (label == 0) {
      annotation.polygons = {{x, y, x + s, y, x + s, y + s, x, y + s}};
    } else {
      annotation.rle = datasets::rle_encode(mask.data(), picture.height, picture.width);
      annotation.area = static_cast<double>(datasets::rle_area(*annotation.rle));
    }
  }

  datasets::Rng rng_;
  datasets::CocoAnnotations set_;
  std::vector<vision::Image> pictures_;
};

/// A run of a registered detector on pictures of shapes written into `folder`: eight to train on, among them one with a
/// crowd beside its objects, one with a crowd alone and one of nothing, and four to validate on.
inline models::RunConfig detection_run(const TemporaryFolder& folder, const std::string& model,
                                       const std::string& output = "out") {
  if (!std::filesystem::exists(folder / "train.json")) {
    ShapePictures train(1), validation(2);
    for (int64_t i = 0; i < 8; ++i) {
      train.add_picture(i < 6 ? 1 + i % 2 : 0);
      if (i == 3 || i == 6) train.add_crowd();
    }
    for (int64_t i = 0; i < 4; ++i) validation.add_picture(1 + i % 2);
    train.write(folder / "train", folder / "train.json");
    validation.write(folder / "validation", folder / "validation.json");
  }
  models::RunConfig config;
  config.model.name = model;
  config.preprocessing = vision::Preprocessing{.resize_shorter = 64,
                                               .crop = {64, 96},
                                               .interpolation = vision::Interpolation::bilinear,
                                               .mean = {0.5, 0.5, 0.5},
                                               .std = {0.25, 0.25, 0.25},
                                               .resize_longer = 96};
  config.data.kind = models::DataKind::coco;
  config.data.train = folder / "train";
  config.data.train_labels = folder / "train.json";
  config.data.validation = folder / "validation";
  config.data.validation_labels = folder / "validation.json";
  config.data.workers = 1;
  config.optimizer.lr = 2e-3;
  config.optimizer.clip_grad_norm = 10;
  config.schedule = {models::ScheduleKind::step, 3, 0.5, 0, {2}};
  config.run.output_dir = folder / output;
  config.run.seed = 5;
  config.run.batch_size = 2;
  config.run.threads = 1;
  config.run.save_every = 100;  // the last epoch and a stop are saved in any case
  return config;
}

}  // namespace retentive::testing
