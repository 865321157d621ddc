#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include <datasets/coco.h>
#include <models/detection/coco_classes.h>
#include <retention/base/export.h>
#include <vision/detection/detector.h>
#include <vision/structures.h>

namespace retentive::models {

struct DetectDatasetOptions {
  vision::Preprocessing preprocessing;
  int64_t workers = 0;                             ///< threads that read images
  std::function<void(int64_t, int64_t)> progress;  ///< called with images done and images in all
  const std::atomic<bool>* stop = nullptr;         ///< when it becomes true, `found` keeps what was found so far
};

/// Runs a detector over every image of a set, in eval mode and without gradients; the model's mode is put back
/// afterwards. Throws DataError.
RETENTIVE_API void detect_dataset(vision::DetectorImpl& detector, const datasets::CocoDataset& dataset,
                                  const DetectDatasetOptions& options, CocoCollector& found);

/// The same for a model that was made for this set: its classes are the categories by ascending id. Throws
/// InvalidArgument when the model knows another number of classes.
RETENTIVE_API std::vector<datasets::CocoResult> detect_dataset(vision::DetectorImpl& detector,
                                                               const datasets::CocoDataset& dataset,
                                                               const DetectDatasetOptions& options);

}  // namespace retentive::models
