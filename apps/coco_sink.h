#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <apps/image_paths.h>
#include <datasets/coco.h>
#include <models/detection/coco_classes.h>
#include <models/pipelines/detector.h>

namespace retentive::apps {

struct CocoSinkFlags {
  std::string results;      ///< file to write; empty = nothing is collected
  std::string annotations;  ///< whose image and category ids are taken; empty = both are numbered from 1
  std::string class_map;
  bool ignore_orientation = false;
};

/// Collects what `detect` finds for a COCO results file.
class CocoSink {
 public:
  /// Throws DataError for annotations that cannot be read or have classes that the model does not know.
  CocoSink(CocoSinkFlags flags, const std::vector<std::string>& labels);

  bool wanted() const { return !flags_.results.empty(); }

  /// Says which images come, in their order, before any is read. Throws DataError for one that is not annotated, that
  /// may be several, that was given already, or that its EXIF orientation turns away from the annotated size.
  void expect(const std::vector<FoundImage>& images);

  /// The next of these images.
  void add(models::ImageDetections item);

  void write() const;

 private:
  CocoSinkFlags flags_;
  std::optional<datasets::CocoAnnotations> truth_;
  std::vector<datasets::ImageId> ids_;
  size_t position_ = 0;
  std::optional<models::CocoCollector> found_;
};

}  // namespace retentive::apps
