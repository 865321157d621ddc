#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <models/model_card.h>
#include <models/training/run_config.h>
#include <models/training/scores.h>
#include <vision/backbone.h>

namespace retentive::models {

/// What one kind of model learns: its batches, its loss, its validation. The trainer knows no more than this.
class TrainingTask {
 public:
  virtual ~TrainingTask();

  /// The model, initialised or loaded, in training mode.
  virtual torch::nn::Module& model() = 0;
  virtual std::vector<vision::ParameterGroup> parameter_groups(double layer_decay) const = 0;
  /// Source of the model's and the batches' random draws.
  virtual void set_generator(const at::Generator& generator) = 0;

  virtual int64_t steps_per_epoch() const = 0;
  virtual int64_t items_per_step() const = 0;
  /// What is counted: "images", "tokens".
  virtual std::string items() const = 0;

  /// Begins epoch `number`, from 0, behind its first `steps` steps.
  virtual void begin_epoch(int64_t number, int64_t steps) = 0;
  /// The loss of the epoch's next step, with its graph.
  virtual torch::Tensor next_loss() = 0;

  /// Scores of `model`, which is of the kind of model(). What it gives after `stop` became true is of no use.
  virtual Scores validate(torch::nn::Module& model, const std::atomic<bool>* stop) = 0;
  /// What is validated on: "1000 images".
  virtual std::string validation_size() const = 0;
  /// Fingerprints of what it learns from and validates on, by field of the configuration: another set has others.
  virtual std::map<std::string, std::string> data() const = 0;

  /// What the weights file says, but for its notes.
  virtual ModelCard card() const = 0;

  /// What of model.weights was left out or changed, one line each.
  virtual std::vector<std::string> notes() const { return {}; }
};

/// The task of a run: opens its data and builds its model. Throws ConfigError, DataError, CheckpointError, Unsupported.
std::unique_ptr<TrainingTask> make_task(const RunConfig& config);

/// The tasks that make_task() chooses from by data.kind.
std::unique_ptr<TrainingTask> make_classification_task(const RunConfig& config);
std::unique_ptr<TrainingTask> make_detection_task(const RunConfig& config);
std::unique_ptr<TrainingTask> make_language_task(const RunConfig& config);

}  // namespace retentive::models
