#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <datasets/detection_augment.h>
#include <datasets/detection_dataset.h>
#include <datasets/epoch.h>
#include <retention/base/export.h>

namespace retentive::datasets {

/// Annotated images ready for a detector.
struct DetectionBatch {
  int64_t size = 0;
  int64_t channels = 0;
  int64_t height = 0;  ///< of the largest image, rounded up to a multiple of the divisor
  int64_t width = 0;
  std::vector<float> images;         ///< [size, channels, height, width], zero to the right of and below each image
  std::vector<DetectionItem> items;  ///< [size]
};

using DetectionEpoch = EpochOf<DetectionBatch>;

struct DetectionLoaderOptions {
  int64_t batch_size = 2;
  bool shuffle = false;
  uint64_t seed = 0;
  int64_t workers = 0;          ///< threads that prepare batches; 0 = the calling thread does
  int64_t prefetch = 2;         ///< batches per worker that may be in preparation or waiting
  bool drop_last = false;       ///< leave out the batch of each group that would be smaller than the others
  bool group_by_aspect = true;  ///< images wider than high and others never share a batch
  bool masks = false;           ///< fill DetectionItem::masks
  int64_t divisor = 32;         ///< the sides of a batch are multiples of it
  Preprocessing preprocessing;
  std::optional<DetectionAugment> augment;  ///< none = the keep-ratio resize alone
};

/// Turns a set into batches, on several threads when asked to. The set must outlive the loader and its epochs.
/// Every image comes once in an epoch unless `drop_last` leaves it out. Shuffled, the images of each group and then
/// the batches are in random order; otherwise images come as the set has them, as far as their groups allow.
class RETENTIVE_API DetectionLoader {
 public:
  /// Throws InvalidArgument or ConfigError for options out of range, or when there would be no batch at all.
  DetectionLoader(const DetectionDataset& dataset, DetectionLoaderOptions options);

  /// Number of batches in an epoch.
  int64_t size() const;
  /// Batches of epoch `number` (>= 0), which with the seed selects the order and the augmentation draws.
  DetectionEpoch epoch(int64_t number) const;
  const DetectionLoaderOptions& options() const { return options_; }

 private:
  const DetectionDataset* dataset_;
  DetectionLoaderOptions options_;
  std::vector<std::vector<int64_t>> groups_;  // indices of the set, none empty
};

}  // namespace retentive::datasets
