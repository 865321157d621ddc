#include <chrono>
#include <cmath>
#include <string>

#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <opencv2/videoio/registry.hpp>

#include <datasets/detail/mat_view.h>
#include <datasets/video/frame_source.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

Image to_frame(const cv::Mat& decoded, const std::string& name) {
  if (decoded.depth() != CV_8U || (decoded.channels() != 1 && decoded.channels() != 3 && decoded.channels() != 4)) {
    throw DataError(
        "[video] " + name + " has frames of " + std::to_string(decoded.channels()) +
        " channels that are not 8-bit grey or colour; convert it with: ffmpeg -i FILE -pix_fmt yuv420p OUT.mp4");
  }
  Image frame{decoded.rows, decoded.cols, 3, {}};
  frame.pixels.resize(frame.height * frame.width * 3);
  cv::Mat rgb = detail::mat_view(frame);
  const int from_grey = cv::COLOR_GRAY2RGB, from_alpha = cv::COLOR_BGRA2RGB;
  cv::cvtColor(decoded, rgb,
               decoded.channels() == 1   ? from_grey
               : decoded.channels() == 4 ? from_alpha
                                         : cv::COLOR_BGR2RGB);
  return frame;
}

}  // namespace

class FrameSource::Impl {
 public:
  Impl(cv::VideoCapture capture, std::string name, bool camera)
      : capture_(std::move(capture)), name_(std::move(name)), camera_(camera) {}

  std::optional<Image> next() {
    cv::Mat decoded;
    if (ended_ || !read(decoded)) {
      ended_ = true;
      if (index_ >= 0) return std::nullopt;
      throw DataError("[video] " + name_ +
                      (camera_ ? " delivers no frame; check that no other program uses it"
                               : " holds no frame that can be decoded; replace it or convert it "
                                 "with: ffmpeg -i FILE -c:v mjpeg OUT.avi"));
    }
    ++index_;
    read_at_ = Clock::now();
    return to_frame(decoded, name_);
  }

  std::optional<double> fps() const {
    const double fps = capture_.get(cv::CAP_PROP_FPS);
    return std::isfinite(fps) && fps > 0 && fps <= 100'000 ? std::optional(fps) : std::nullopt;
  }

  std::optional<int64_t> frame_count() const {
    const double count = camera_ ? 0 : capture_.get(cv::CAP_PROP_FRAME_COUNT);
    return count >= 1 && count < 1e12 ? std::optional(static_cast<int64_t>(count)) : std::nullopt;
  }

  int64_t index() const { return index_; }

  double seconds() const {
    if (index_ < 0) return 0;
    if (camera_) return std::chrono::duration<double>(read_at_ - opened_at_).count();
    const auto rate = fps();
    return rate ? static_cast<double>(index_) / *rate : 0;
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool read(cv::Mat& decoded) {
    try {
      return capture_.read(decoded) && !decoded.empty();
    } catch (const cv::Exception& error) {
      throw DataError("[video] frame " + std::to_string(index_ + 1) + " of " + name_ + " cannot be decoded (" +
                      error.err + "); replace the file or convert it with: ffmpeg -i FILE -c:v mjpeg OUT.avi");
    }
  }

  cv::VideoCapture capture_;
  std::string name_;
  bool camera_;
  bool ended_ = false;
  int64_t index_ = -1;
  Clock::time_point opened_at_ = Clock::now();
  Clock::time_point read_at_ = opened_at_;
};

FrameSource::FrameSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FrameSource::FrameSource(FrameSource&&) noexcept = default;
FrameSource& FrameSource::operator=(FrameSource&&) noexcept = default;
FrameSource::~FrameSource() = default;

FrameSource FrameSource::open(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw DataError("[video] " + name + " is not a file that can be read; give the path of a video file");
  }
  cv::VideoCapture capture;
  for (const cv::VideoCaptureAPIs backend : cv::videoio_registry::getStreamBackends()) {
    if (backend == cv::CAP_IMAGES) continue;  // takes a picture's name for that of a series
    try {
      if (capture.open(name, backend)) return FrameSource(std::make_unique<Impl>(std::move(capture), name, false));
    } catch (const cv::Exception&) {  // this reader does not know it; the next one may
    }
  }
  throw DataError("[video] " + name +
                  " is damaged or of a kind that OpenCV here cannot read; replace it or convert it "
                  "with: ffmpeg -i FILE -c:v mjpeg OUT.avi");
}

FrameSource FrameSource::open(int camera) {
  if (camera < 0) {
    throw InvalidArgument("[video] the camera is " + std::to_string(camera) + "; 0 or more is accepted");
  }
  const std::string name = "camera " + std::to_string(camera);
  cv::VideoCapture capture;
  bool opened = false;
  try {
    opened = capture.open(camera);
  } catch (const cv::Exception&) {  // refused below
  }
  if (!opened) {
    throw DataError("[video] " + name + " cannot be opened; check that it is connected (/dev/video" +
                    std::to_string(camera) + "), not in use, and that you may read it");
  }
  return FrameSource(std::make_unique<Impl>(std::move(capture), name, true));
}

std::optional<Image> FrameSource::next() { return impl_->next(); }
std::optional<double> FrameSource::fps() const { return impl_->fps(); }
std::optional<int64_t> FrameSource::frame_count() const { return impl_->frame_count(); }
int64_t FrameSource::index() const { return impl_->index(); }
double FrameSource::seconds() const { return impl_->seconds(); }

}  // namespace retentive::datasets
