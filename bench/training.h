#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <bench/machine.h>
#include <models/registry.h>
#include <models/training/optimizer.h>
#include <retention/base/export.h>
#include <retention/base/form.h>
#include <retention/ops/memory.h>

namespace retentive::bench {

/// What is timed: whole training steps of one model on one batch of random images and labels, or of random tokens.
struct TrainingOptions {
  std::string model = "rmt_t";
  int64_t height = 224;
  int64_t width = 224;
  int64_t tokens = 512;     ///< of a sequence, for language models
  Form form = Form::auto_;  ///< of a RetNet, a ViR, or an RMT with mixer retention
  int64_t batch = 8;
  int threads = 0;  ///< 0 = all cores
  int warmup = 3;
  int repetitions = 10;
  double budget_s = 0;  ///< of the repetitions: fewer, but at least three, when they take longer; 0 = no limit
};

/// A model in training. A step is that of the recipe of RMT: label-smoothed cross-entropy, backward, AdamW with weight
/// decay on matrices only, the drop path of the model; of a language model the cross-entropy of every next token.
class RETENTIVE_API TrainingBench {
 public:
  /// Initial weights, data and drop path come from fixed seeds. Throws ConfigError for unknown names and StateError
  /// for a model that has neither classes nor a vocabulary.
  explicit TrainingBench(const TrainingOptions& options);

  /// Milliseconds of `repetitions` steps, of fewer when `budget_s` is over and three are done. Throws StateError when
  /// the loss is not finite.
  std::vector<double> run(int repetitions, double budget_s = 0);

  /// Of the latest step.
  double loss() const { return loss_; }
  const TrainingOptions& options() const { return options_; }
  /// A cell without measurements: what is trained, on what.
  const Cell& cell() const { return cell_; }

 private:
  void prepare_images(const models::ModelRow& row);
  void prepare_text(const models::ModelRow& row);
  void step();

  TrainingOptions options_;
  PooledTensors pooled_;
  Cell cell_;
  std::function<torch::Tensor()> next_loss_;
  std::unique_ptr<models::Optimizer> optimizer_;
  double loss_ = 0;
};

/// A cell of task "training"; the peak of memory is that of the steps.
RETENTIVE_API Results measure_training(const TrainingOptions& options);

}  // namespace retentive::bench
