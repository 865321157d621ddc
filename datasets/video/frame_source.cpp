#include <datasets/video/frame_source.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include <datasets/video/detail/frame_stream.h>

namespace retentive::datasets {

FrameSource::FrameSource(std::unique_ptr<detail::FrameStream> stream) : stream_(std::move(stream)) {}
FrameSource::FrameSource(FrameSource&&) noexcept = default;
FrameSource& FrameSource::operator=(FrameSource&&) noexcept = default;
FrameSource::~FrameSource() = default;

FrameSource FrameSource::open(const std::filesystem::path& path, const DecodeOptions& options) {
  return FrameSource(detail::open_video_file(path, options));
}

FrameSource FrameSource::open(int camera) { return FrameSource(detail::open_camera(camera)); }

std::optional<Image> FrameSource::next() {
  auto frame = stream_->next();
  if (frame) ++index_;
  return frame;
}

std::optional<double> FrameSource::fps() const { return stream_->fps(); }
std::optional<int64_t> FrameSource::frame_count() const { return stream_->frame_count(); }
int64_t FrameSource::index() const { return index_; }
double FrameSource::seconds() const { return stream_->seconds(); }

bool has_video_extension(const std::filesystem::path& path) {
  constexpr std::array kExtensions = {".3gp", ".avi", ".flv",  ".m2ts", ".m4v", ".mkv",  ".mov",
                                      ".mp4", ".mpg", ".mpeg", ".mts",  ".ogv", ".webm", ".wmv"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

}  // namespace retentive::datasets
