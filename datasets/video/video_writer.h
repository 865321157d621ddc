#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Image;

/// Writes frames to a video file: .avi as Motion JPEG, .mp4 as MPEG-4.
class RETENTIVE_API VideoWriter {
 public:
  /// A file of frames [height, width]; an odd side is stored with its last row or column doubled, as players expect
  /// even ones. A file that is there is overwritten. Throws InvalidArgument for another ending, a size beyond 1 to
  /// 16384 or fps beyond 0.001 to 1000; DataError when the file cannot be made.
  VideoWriter(const std::filesystem::path& path, double fps, int64_t height, int64_t width);

  VideoWriter(VideoWriter&&) noexcept;
  VideoWriter& operator=(VideoWriter&&) noexcept;
  ~VideoWriter();

  /// Appends a grey or RGB frame, which is shown 1 / fps after the one before or, with `seconds` on the clock of the
  /// first frame, at the nearest later step of 1 / fps; until then the one before stays, for an hour or 50,000 steps at
  /// most. Throws InvalidArgument for a frame of another size, StateError after `close`, DataError when the file cannot
  /// be written, for example because the disk is full.
  void write(const Image& frame, std::optional<double> seconds = std::nullopt);

  /// Completes the file, as the destructor does. Throws DataError when it cannot be written.
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::datasets
