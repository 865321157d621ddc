#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <datasets/files.h>
#include <models/checkpoint.h>
#include <models/registry.h>

namespace retentive::testing {

/// A picture of patches of random colours, 12 pixels wide.
inline vision::Image patch_image(int64_t height, int64_t width, int64_t channels, uint32_t seed) {
  constexpr int64_t kPatch = 12;
  const auto colours = noise_image(height / kPatch + 1, width / kPatch + 1, channels, seed);
  vision::Image image{height, width, channels, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const auto first = ((y / kPatch) * colours.width + x / kPatch) * channels;
      for (int64_t c = 0; c < channels; ++c) image.pixels.push_back(colours.pixels[static_cast<size_t>(first + c)]);
    }
  }
  return image;
}

/// Random weights of a registered test detector with its card. Their outputs are so wide, and the seeds such, that
/// patch_image() gives detections of several classes and of all scores.
inline std::filesystem::path save_random_detector(const std::filesystem::path& path, const std::string& name,
                                                  const std::vector<std::string>& labels) {
  const auto& row = models::find_model(name);
  models::ModelCard card;
  card.config = row.config;
  card.preprocessing = row.preprocessing;
  card.preprocessing->resize_shorter = 96;
  card.preprocessing->resize_longer = 160;
  card.labels = labels;
  card.name = name;
  const auto model = models::build(row.config, name == "test_retinanet" ? 5 : 6);
  const torch::NoGradGuard no_grad;
  for (auto& parameter : model->named_parameters()) {
    auto& value = parameter.value();
    const auto& key = parameter.key();
    if (key.ends_with("fc_cls.weight")) value.mul_(30);
    if (key.ends_with("fc_reg.weight")) value.mul_(100);
    for (const char* wide : {"rpn_cls.weight", "rpn_reg.weight", "rpn_conv.weight", "retina_cls.weight",
                             "_convs.0.conv.weight", "conv_logits.weight"}) {
      if (key.ends_with(wide)) value.mul_(10);
    }
    if (key.ends_with("retina_cls.bias")) value.zero_();
  }
  models::save_checkpoint(path, *model, card);
  return path;
}

}  // namespace retentive::testing
