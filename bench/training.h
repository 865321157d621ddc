#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <bench/machine.h>
#include <bench/report/statistics.h>
#include <models/training/optimizer.h>
#include <retention/base/export.h>
#include <retention/ops/memory.h>
#include <vision/backbone.h>

namespace retentive::bench {

/// What is timed: whole training steps of one model on one batch of random images and labels.
struct TrainingOptions {
  std::string model = "rmt_t";
  int64_t height = 224;
  int64_t width = 224;
  int64_t batch = 8;
  int threads = 0;  ///< 0 = all cores
  int warmup = 3;
  int repetitions = 10;
};

/// A model in training. A step is that of the recipe of RMT: label-smoothed cross-entropy, backward, AdamW with weight
/// decay on matrices only, the drop path of the model.
class RETENTIVE_API TrainingBench {
 public:
  /// Initial weights, images, labels and drop path come from fixed seeds. Throws ConfigError for names without such a
  /// model and StateError for a model without classes.
  explicit TrainingBench(const TrainingOptions& options);

  /// Milliseconds of `repetitions` steps. Throws StateError when the loss is not finite.
  std::vector<double> run(int repetitions);

  /// Of the latest step.
  double loss() const { return loss_; }
  const TrainingOptions& options() const { return options_; }

 private:
  void step();

  TrainingOptions options_;
  PooledTensors pooled_;
  std::shared_ptr<vision::BackboneImpl> model_;
  std::unique_ptr<models::Optimizer> optimizer_;
  torch::Tensor images_;
  torch::Tensor targets_;
  double loss_ = 0;
};

/// A finished measurement.
struct TrainingResult {
  TrainingOptions options;
  std::vector<double> times_ms;
  Summary summary;
  double loss = 0;
  double peak_rss_mb = 0;
  Machine machine;

  double images_per_s() const { return 1e3 * static_cast<double>(options.batch) / summary.median; }
};

RETENTIVE_API TrainingResult measure_training(const TrainingOptions& options);

/// One JSON object on one line.
RETENTIVE_API std::string training_json(const TrainingResult& result);
/// A table for people.
RETENTIVE_API std::string training_text(const TrainingResult& result);

}  // namespace retentive::bench
