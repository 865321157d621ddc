#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include <datasets/image_io.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

namespace detail {
class FrameStream;
}

/// The frames of a video file or a camera, one after the other.
class RETENTIVE_API FrameSource {
 public:
  /// Throws DataError when there is no such file, it holds no video that FFmpeg can decode, or its frames are larger
  /// than the options allow.
  static FrameSource open(const std::filesystem::path& path, const DecodeOptions& options = {});
  /// A camera by its number, 0 the first. Throws InvalidArgument for a negative one, DataError when there is none.
  static FrameSource open(int camera);

  FrameSource(FrameSource&&) noexcept;
  FrameSource& operator=(FrameSource&&) noexcept;
  ~FrameSource();

  /// The next frame as RGB, upright as the file says and at its own size, which may change midway; nothing at the end
  /// (or when a camera is gone). Throws DataError naming the frame when the file is damaged there or ends too early;
  /// the frames before have been given by then, and there is none after.
  std::optional<Image> next();

  /// Frames a second on average, where known; any positive number that a file states.
  std::optional<double> fps() const;
  /// Number of frames as the file states it, which some files do not and few do wrongly; nothing for a camera.
  std::optional<int64_t> frame_count() const;
  /// Index of the frame that `next` gave last, -1 before the first.
  int64_t index() const;
  /// Time of that frame in seconds: in a file since its first frame, by the file's own clock, so that steps may differ;
  /// for a camera since the opening.
  double seconds() const;

 private:
  explicit FrameSource(std::unique_ptr<detail::FrameStream> stream);
  std::unique_ptr<detail::FrameStream> stream_;
  int64_t index_ = -1;
};

/// Whether the name ends as video files do, in large or small letters: .3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg
/// .mpg .mts .ogv .webm .wmv.
RETENTIVE_API bool has_video_extension(const std::filesystem::path& path);

}  // namespace retentive::datasets
