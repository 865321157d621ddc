#pragma once

#include <cstdint>
#include <filesystem>

#include <models/training/trainer.h>
#include <retention/base/export.h>

namespace retentive::models {

/// The epochs of a run as JSON lines: epoch, step, lr, train_loss, validation {the fields of Scores that there are},
/// ema
/// {...} or null, seconds, images_per_second or tokens_per_second, best.
class RETENTIVE_API RunLog {
 public:
  /// Keeps the first `epochs` epochs of an existing log, so that a resumed run has every epoch once.
  /// Throws DataError when the file cannot be written.
  RunLog(std::filesystem::path path, int64_t epochs);

  void append(const EpochReport& report);

 private:
  std::filesystem::path path_;
};

}  // namespace retentive::models
