#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <datasets/augment.h>
#include <datasets/dataset.h>
#include <datasets/epoch.h>
#include <retention/base/export.h>

namespace retentive::datasets {

/// Samples ready for a network.
struct Batch {
  int64_t size = 0;
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<float> images;       ///< [size, channels, height, width]
  std::vector<int64_t> labels;     ///< [size]
  std::vector<std::string> names;  ///< [size]
};

struct LoaderOptions {
  int64_t batch_size = 32;
  bool shuffle = false;
  uint64_t seed = 0;
  int64_t workers = 0;   ///< threads that prepare batches; 0 = the calling thread does
  int64_t prefetch = 2;  ///< batches per worker that may be in preparation or waiting
  bool drop_last = false;
  Preprocessing preprocessing;
  std::optional<AugmentConfig> augment;  ///< none = evaluation transform
};

using Epoch = EpochOf<Batch>;

/// Turns a set into batches, on several threads when asked to. The set must outlive the loader and its epochs.
class RETENTIVE_API Loader {
 public:
  /// Throws InvalidArgument or ConfigError for options out of range, or when there would be no batch at all.
  Loader(const Dataset& dataset, LoaderOptions options);

  /// Number of batches in an epoch.
  int64_t size() const;
  /// Batches of epoch `number` (>= 0), which selects the order and the augmentation draws.
  Epoch epoch(int64_t number) const;
  const LoaderOptions& options() const { return options_; }

 private:
  const Dataset* dataset_;
  LoaderOptions options_;
};

}  // namespace retentive::datasets
