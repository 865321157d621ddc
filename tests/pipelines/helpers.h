#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <datasets/files.h>
#include <datasets/image_io.h>
#include <models/checkpoint.h>
#include <models/registry.h>

namespace retentive::testing {

/// Weights of a registered model drawn from `seed`, with its card.
inline std::filesystem::path save_random_model(const std::filesystem::path& path, const std::string& name,
                                               const std::vector<std::string>& labels = {}, uint64_t seed = 3) {
  const auto& row = models::find_model(name);
  models::ModelCard card;
  card.config = row.config;
  card.preprocessing = row.preprocessing;
  card.labels = labels;
  card.name = name;
  const auto model = models::build(row.config, seed);
  // A fresh classifier is nearly indifferent: wider weights make different images give different probabilities.
  torch::NoGradGuard no_grad;
  for (auto& parameter : model->named_parameters()) {
    if (parameter.key() == "head.weight") parameter.value().mul_(200);
  }
  models::save_checkpoint(path, *model, card);
  return path;
}

/// `count` PNG files of random pixels in different sizes.
inline std::vector<std::filesystem::path> write_noise_images(const std::filesystem::path& folder, int count) {
  std::vector<std::filesystem::path> paths;
  for (int i = 0; i < count; ++i) {
    paths.push_back(folder / ("noise" + std::to_string(i) + ".png"));
    datasets::write_image(paths.back(), noise_image(20 + 7 * i, 61 - 5 * i, 3, static_cast<uint32_t>(i + 1)));
  }
  return paths;
}

}  // namespace retentive::testing
