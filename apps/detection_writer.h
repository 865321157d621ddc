#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <models/pipelines/detector.h>

namespace retentive::apps {

/// Where in a video a frame stands.
struct FramePosition {
  int64_t index = 0;  ///< from 0
  double seconds = 0;
};

/// Writes detections one image at a time: a line as text (`path: 2 objects: 7 98.1% [12 30 60 88], ...`), or JSON
/// (`{"path", "detections": [{"box", "label", "index", "score", "mask"?}]}` with boxes as x0 y0 x1 y1 and masks as
/// COCO's runs, or `{"path", "error"}`).
class DetectionWriter {
 public:
  /// Errors of single images go to `errors` in the text format, else into the records on `out`.
  DetectionWriter(bool json, std::vector<std::string> labels, std::ostream& out, std::ostream& errors);

  void write(const models::ImageDetections& item, const std::optional<FramePosition>& frame = std::nullopt);

 private:
  bool json_;
  std::vector<std::string> labels_;
  std::ostream& out_;
  std::ostream& errors_;
};

}  // namespace retentive::apps
