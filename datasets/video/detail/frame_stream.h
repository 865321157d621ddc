#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include <datasets/image_io.h>
#include <vision/structures.h>

namespace retentive::datasets::detail {

/// What a FrameSource reads from.
class FrameStream {
 public:
  virtual ~FrameStream() = default;
  /// The next frame, or nothing at the end, and ever after.
  virtual std::optional<vision::Image> next() = 0;
  virtual std::optional<double> fps() const = 0;
  virtual std::optional<int64_t> frame_count() const = 0;
  /// Time of the frame that `next` gave last.
  virtual double seconds() const = 0;
};

std::unique_ptr<FrameStream> open_video_file(const std::filesystem::path& path, const DecodeOptions& options);
std::unique_ptr<FrameStream> open_camera(int number);

}  // namespace retentive::datasets::detail
