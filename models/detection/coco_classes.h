#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <datasets/coco.h>
#include <models/class_match.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::models {

/// The classes of a model as categories of annotations.
struct CocoClasses {
  std::vector<std::optional<int64_t>> ids;  ///< category id of each class of the model; what has none is dropped
  std::set<int64_t> left_out;               ///< categories that the class map leaves out
  std::vector<std::string> notes;
};

/// match_classes() with the categories; those without an object need no class of the model.
RETENTIVE_API CocoClasses match_categories(const std::vector<std::string>& model_names, int64_t num_classes,
                                           const datasets::CocoAnnotations& annotations, ClassMatchOptions options);

/// The annotations without these categories and their objects; the images stay.
RETENTIVE_API datasets::CocoAnnotations without_categories(datasets::CocoAnnotations annotations,
                                                           const std::set<int64_t>& category_ids);

/// Gathers detections as entries of a results file.
class RETENTIVE_API CocoCollector {
 public:
  /// `ids` as CocoClasses has them.
  explicit CocoCollector(std::vector<std::optional<int64_t>> ids) : ids_(std::move(ids)) {}

  void add(std::vector<vision::Detection>&& detections, const datasets::ImageId& image_id);

  std::vector<datasets::CocoResult>& results() { return results_; }
  const std::vector<datasets::CocoResult>& results() const { return results_; }
  /// Detections of classes without a category.
  int64_t dropped() const { return dropped_; }

 private:
  std::vector<std::optional<int64_t>> ids_;
  std::vector<datasets::CocoResult> results_;
  int64_t dropped_ = 0;
};

}  // namespace retentive::models
