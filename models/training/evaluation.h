#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <datasets/dataset.h>
#include <models/training/metrics.h>
#include <retention/base/export.h>
#include <vision/backbone.h>
#include <vision/structures.h>

namespace retentive::models {

struct EvaluationOptions {
  vision::Preprocessing preprocessing;
  int64_t batch_size = 64;
  int64_t workers = 0;
  std::vector<int64_t> class_map;                  ///< the model's class of each class of the set; empty = the same
  std::function<void(int64_t, int64_t)> progress;  ///< called with images done and images in all
  const std::atomic<bool>* stop = nullptr;         ///< when it becomes true, what was counted so far is returned
};

/// Classifies a whole set in eval mode, without gradients; the model's mode is put back afterwards.
/// Throws DataError, InvalidArgument (labels beyond num_classes), StateError (a model without classifier).
RETENTIVE_API ClassificationMetrics evaluate(vision::BackboneImpl& model, const datasets::Dataset& dataset,
                                             int64_t num_classes, const EvaluationOptions& options);

/// Scores, per-class table and confusion matrix as text; `labels` may be empty.
RETENTIVE_API std::string evaluation_text(const ClassificationMetrics& metrics, const std::vector<std::string>& labels);

/// The same as one line of JSON: count, top1, top5, loss, classes [{label, support, precision, recall, f1}], confusion.
RETENTIVE_API std::string evaluation_json(const ClassificationMetrics& metrics, const std::vector<std::string>& labels);

}  // namespace retentive::models
