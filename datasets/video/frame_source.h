#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Image;

/// The frames of a video file or a camera, one after the other.
class RETENTIVE_API FrameSource {
 public:
  /// Throws DataError when there is no such file, or none of OpenCV's readers knows it.
  static FrameSource open(const std::filesystem::path& path);
  /// A camera by its number, 0 the first. Throws InvalidArgument for a negative one, DataError when there is none.
  static FrameSource open(int camera);

  FrameSource(FrameSource&&) noexcept;
  FrameSource& operator=(FrameSource&&) noexcept;
  ~FrameSource();

  /// The next frame as RGB, upright as the file says, or nothing at the end (or when a camera is gone). Throws
  /// DataError when not even the first frame can be decoded.
  std::optional<Image> next();

  /// Frames a second, where known.
  std::optional<double> fps() const;
  /// Number of frames as the file states it, which some files do not and few do wrongly; nothing for a camera.
  std::optional<int64_t> frame_count() const;
  /// Index of the frame that `next` gave last, -1 before the first.
  int64_t index() const;
  /// Time of that frame in seconds: index / fps in a file (0 when fps is unknown), since the opening for a camera.
  double seconds() const;

 private:
  class Impl;
  explicit FrameSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::datasets
