#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include <datasets/coco.h>
#include <retention/base/export.h>
#include <vision/detection/detector.h>
#include <vision/structures.h>

namespace retentive::models {

struct DetectDatasetOptions {
  vision::Preprocessing preprocessing;
  int64_t workers = 0;                             ///< threads that read images
  std::function<void(int64_t, int64_t)> progress;  ///< called with images done and images in all
  const std::atomic<bool>* stop = nullptr;         ///< when it becomes true, what was found so far is returned
};

/// Runs a detector over every image of a set, in eval mode and without gradients; the model's mode is put back
/// afterwards. Labels become the set's category ids. Throws DataError, InvalidArgument when the model knows another
/// number of classes than the set.
RETENTIVE_API std::vector<datasets::CocoResult> detect_dataset(vision::DetectorImpl& detector,
                                                               const datasets::CocoDataset& dataset,
                                                               const DetectDatasetOptions& options);

/// One detection as an entry of a results file.
RETENTIVE_API datasets::CocoResult to_coco(vision::Detection&& detection, int64_t image_id,
                                           const std::vector<int64_t>& category_ids);

}  // namespace retentive::models
