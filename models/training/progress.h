#pragma once

#include <chrono>
#include <cstdint>

#include <models/training/trainer.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Prints a run on stderr: a bar that is redrawn on a terminal, else a line every `log_interval` steps; and one line an
/// epoch in both cases.
class RETENTIVE_API ConsoleProgress {
 public:
  explicit ConsoleProgress(int64_t log_interval);

  void step(const StepReport& report);
  void epoch(const EpochReport& report);

  /// Callbacks that call this object, which must outlive them.
  TrainCallbacks callbacks();

 private:
  int64_t log_interval_;
  bool terminal_;
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace retentive::models
