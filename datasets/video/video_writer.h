#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Image;

/// Writes frames to a video file: .avi as Motion JPEG, .mp4 as MPEG-4. Where OpenCV came without FFmpeg, .avi takes
/// whole fps (others are rounded) and sides of a multiple of 16 (others are padded), and .mp4 may be refused.
class RETENTIVE_API VideoWriter {
 public:
  /// A file of frames [height, width]; an odd side is stored with its last row or column doubled, as the encoders take
  /// even ones only. Throws InvalidArgument for another ending, a size beyond 1 to 16384 or fps beyond 0 to 1000;
  /// DataError when the file cannot be made.
  VideoWriter(const std::filesystem::path& path, double fps, int64_t height, int64_t width);

  VideoWriter(VideoWriter&&) noexcept;
  VideoWriter& operator=(VideoWriter&&) noexcept;
  ~VideoWriter();

  /// Appends a grey or RGB frame. Throws InvalidArgument for one of another size, StateError after `close`.
  void write(const Image& frame);

  /// Completes the file, as the destructor does. Throws DataError when it was not written.
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::datasets
