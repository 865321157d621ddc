#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <models/training/run_config.h>
#include <models/training/run_state.h>
#include <retention/base/export.h>

namespace retentive::models {

/// One optimizer step, just done.
struct StepReport {
  int64_t epoch = 0;  ///< from 1
  int64_t epochs = 0;
  int64_t step = 0;  ///< in this epoch, from 1
  int64_t steps = 0;
  double loss = 0;
  double lr = 0;
  double items_per_second = 0;  ///< since the epoch began or the run was resumed
  std::string items;            ///< what is counted: "images", "tokens"
  double eta_seconds = 0;       ///< training time left in the run
};

/// One epoch, just validated.
struct EpochReport {
  int64_t epoch = 0;  ///< from 1
  int64_t epochs = 0;
  int64_t step = 0;  ///< optimizer steps in all
  double train_loss = 0;
  double lr = 0;
  Scores raw;
  std::optional<Scores> ema;
  double seconds = 0;
  double items_per_second = 0;
  std::string items;
  bool best = false;  ///< best.safetensors was written
};

struct TrainCallbacks {
  std::function<void(const StepReport&)> step;
  std::function<void(const EpochReport&)> epoch;
  std::function<void(const std::string&)> note;  ///< what a person should know, before the first step
};

/// More epochs for a run that is resumed.
struct ResumeOptions {
  int64_t epochs = 0;             ///< of the whole run; 0 = as many as it has
  bool restart_schedule = false;  ///< the added ones begin the schedule again; else the last learning rate stays
};

struct TrainResult {
  bool finished = false;  ///< false when stopped on request
  RunCounters counters;
  std::filesystem::path best_path;   ///< weights of the best validation score
  std::filesystem::path state_path;  ///< what resume() continues from
};

/// A training run of a classifier, detector or language model. Same configuration, threads and data give the same
/// bits, resumed or not.
///
/// In run.output_dir it keeps best.safetensors (weights with card), last.state.safetensors, log.jsonl (one line an
/// epoch), config.json, and run.lock while it runs.
class RETENTIVE_API Trainer {
 public:
  /// Opens the data and builds the model; writes nothing. Throws ConfigError, DataError, CheckpointError, Unsupported.
  explicit Trainer(RunConfig config);
  ~Trainer();

  /// Takes up the state in run.output_dir. Throws CheckpointError for a missing or damaged state, ConfigError naming
  /// the field when the configuration is not the one it was written with, DataError when the data are not, StateError
  /// when another run is in the folder.
  void resume(const ResumeOptions& options = {});

  /// Trains to the end, or until `stop` becomes true: the state is then saved at once, in the middle of an epoch if
  /// need be. Throws StateError when the loss is not finite, or when output_dir holds another run or its state.
  TrainResult run(const TrainCallbacks& callbacks = {}, const std::atomic<bool>* stop = nullptr);

  const RunConfig& config() const;
  /// What of model.weights was left out or changed, one line each.
  std::vector<std::string> notes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::models
