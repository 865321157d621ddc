#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>

#include <apps/detection_writer.h>
#include <datasets/video/frame_source.h>
#include <datasets/video/video_writer.h>
#include <models/pipelines/detector.h>

namespace retentive::apps {

/// The frames of one video or camera, written to a video file as they come: at the source's rate, kept within 1 to 240
/// frames a second, by the source's clock; frames of another size than the first are letterboxed, said once on stderr.
class DrawnVideo {
 public:
  DrawnVideo(std::filesystem::path path, const datasets::FrameSource& source, std::string name);

  /// Appends the frame that the source gave last, as drawn. Throws DataError when it cannot be written.
  void add(vision::Image frame);
  /// Throws DataError when the file cannot be completed.
  void close();

 private:
  void begin(const vision::Image& frame);

  std::filesystem::path path_;
  const datasets::FrameSource& source_;
  std::string name_;
  int64_t height_ = 0, width_ = 0;
  bool letterboxed_ = false;
  std::optional<datasets::VideoWriter> writer_;
};

/// Detects in every frame of `source`, which `name` stands for in the records, until its end or `stop`. With a path,
/// what was found is also drawn into that video. Throws DataError where the source is damaged or the drawing cannot be
/// written; what was done before stays, and the drawing is completed.
void detect_frames(const std::string& name, datasets::FrameSource source, const models::Detector& detector,
                   DetectionWriter& writer, const std::optional<std::filesystem::path>& drawing,
                   const std::atomic<bool>& stop);

}  // namespace retentive::apps
