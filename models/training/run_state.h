#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include <models/state_dict.h>
#include <models/training/scores.h>
#include <retention/base/export.h>

namespace retentive::models {

/// The best validation scores of a run so far, by better(); of equal ones the first.
struct BestScore {
  Scores scores;
  int64_t epoch = 0;  ///< from 1; 0 = none yet
  bool ema = false;   ///< reached by the averaged weights

  /// Calls f(name, member, help) for every field, in order; so does RunCounters.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("scores", self.scores, "on the validation set");
    f("epoch", self.epoch, "epoch, from 1");
    f("ema", self.ema, "reached by the averaged weights");
  }
};

/// Where a run stands. Random draws of a step come from generators seeded by (seed, step), so that the position is all
/// there is to know about randomness.
struct RunCounters {
  int64_t epoch = 0;          ///< complete epochs
  int64_t step = 0;           ///< optimizer steps in all
  int64_t step_in_epoch = 0;  ///< optimizer steps of the epoch that was interrupted
  double loss_sum = 0;        ///< sum of the losses of those steps
  int64_t ema_updates = 0;
  BestScore best;

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("epoch", self.epoch, "complete epochs");
    f("step", self.step, "optimizer steps in all");
    f("step_in_epoch", self.step_in_epoch, "optimizer steps of the interrupted epoch");
    f("loss_sum", self.loss_sum, "sum of the losses of those steps");
    f("ema_updates", self.ema_updates, "updates of the moving average");
    f("best", self.best, "best validation score");
  }
};

/// All that a run needs to go on as if it had never stopped.
struct RunState {
  std::string config_json;
  RunCounters counters;
  std::map<std::string, std::string> data;  ///< fingerprints of what it learns from, by field of the configuration
  NamedTensors model;
  NamedTensors ema;        ///< empty without moving average
  NamedTensors optimizer;  ///< moments, as Optimizer::state() names them
};

/// Writes one safetensors file with a checksum, whole or not at all. Throws CheckpointError.
RETENTIVE_API void write_run_state(const std::filesystem::path& path, const RunState& state);

/// Reads it back; tensors are mapped and must not be written to.
/// Throws CheckpointError for a file that is missing, damaged or no training state.
RETENTIVE_API RunState read_run_state(const std::filesystem::path& path);

}  // namespace retentive::models
