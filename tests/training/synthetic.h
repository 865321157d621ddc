#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <datasets/mnist.h>
#include <datasets/random.h>
#include <models/training/run_config.h>

namespace retentive::testing {

/// A folder of its own below the system's temporary folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("retentive_training_" + std::to_string(getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Noisy 16x16 pictures of three classes: a horizontal bar, a vertical bar, a block, at random places.
inline vision::Image synthetic_image(int64_t label, datasets::Rng& rng) {
  vision::Image image{16, 16, 1, std::vector<uint8_t>(256)};
  for (auto& pixel : image.pixels) pixel = static_cast<uint8_t>(datasets::uniform_below(rng, 60));
  const int64_t height = label == 0 ? 2 : label == 1 ? 12 : 6;
  const int64_t width = label == 0 ? 12 : label == 1 ? 2 : 6;
  const int64_t top = datasets::uniform_below(rng, 16 - height + 1);
  const int64_t left = datasets::uniform_below(rng, 16 - width + 1);
  for (int64_t y = top; y < top + height; ++y) {
    for (int64_t x = left; x < left + width; ++x) image.pixels[static_cast<size_t>(y * 16 + x)] += 190;
  }
  return image;
}

inline void write_synthetic_idx(const std::string& images_path, const std::string& labels_path, int64_t count,
                                uint64_t seed) {
  datasets::Rng rng(seed);
  std::vector<vision::Image> images;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    labels.push_back(i % 3);
    images.push_back(synthetic_image(i % 3, rng));
  }
  datasets::write_idx(images_path, labels_path, images, labels);
}

/// A run of a very small RMT on synthetic pictures written into `folder`.
inline models::RunConfig synthetic_run(const TemporaryFolder& folder, const std::string& output = "out") {
  if (!std::filesystem::exists(folder / "train.idx3")) {
    write_synthetic_idx(folder / "train.idx3", folder / "train.idx1", 192, 1);
    write_synthetic_idx(folder / "val.idx3", folder / "val.idx1", 60, 2);
  }
  vision::RmtConfig model;
  model.embed_dims = {8, 8, 16, 16};
  model.depths = {1, 1, 1, 1};
  model.num_heads = {2, 2, 2, 2};
  model.projection_dim = 32;
  model.drop_path_rate = 0.1;
  model.in_channels = 1;
  models::RunConfig config;
  config.model.config = model;
  config.preprocessing = vision::Preprocessing{16, {16, 16}, vision::Interpolation::bilinear, {0.2}, {0.3}};
  config.data.kind = models::DataKind::mnist;
  config.data.train = folder / "train.idx3";
  config.data.train_labels = folder / "train.idx1";
  config.data.validation = folder / "val.idx3";
  config.data.validation_labels = folder / "val.idx1";
  config.data.classes = {"horizontal", "vertical", "block"};
  config.data.workers = 1;
  config.augment.label_smoothing = 0.1;
  config.optimizer.lr = 5e-3;
  config.schedule = {models::ScheduleKind::cosine, 3, 0.5, 1e-5};
  config.ema.decay = 0.9;
  config.run.output_dir = folder / output;
  config.run.seed = 7;
  config.run.batch_size = 32;
  config.run.threads = 1;
  config.run.save_every = 100;  // the last epoch and a stop are saved in any case
  return config;
}

}  // namespace retentive::testing
