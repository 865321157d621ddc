#include <chrono>
#include <cmath>
#include <string>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include <datasets/detail/mat_view.h>
#include <datasets/video/detail/frame_stream.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {
namespace {

using vision::Image;

/// While it lives, OpenCV prints nothing: what its backends have to say of a missing camera is in our own errors.
class QuietOpenCv {
 public:
  QuietOpenCv() : before_(cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT)) {}
  ~QuietOpenCv() { cv::utils::logging::setLogLevel(before_); }
  QuietOpenCv(const QuietOpenCv&) = delete;
  QuietOpenCv& operator=(const QuietOpenCv&) = delete;

 private:
  cv::utils::logging::LogLevel before_;
};

class Camera final : public FrameStream {
 public:
  Camera(cv::VideoCapture capture, std::string name) : capture_(std::move(capture)), name_(std::move(name)) {}

  std::optional<Image> next() override {
    cv::Mat decoded;
    if (gone_ || !read(decoded)) {
      gone_ = true;
      if (started_) return std::nullopt;
      throw DataError("[video] " + name_ + " delivers no frame; check that no other program uses it");
    }
    started_ = true;
    read_at_ = Clock::now();
    Image frame{decoded.rows, decoded.cols, 3, {}};
    frame.pixels.resize(frame.height * frame.width * 3);
    cv::Mat rgb = mat_view(frame);
    cv::cvtColor(decoded, rgb, decoded.channels() == 1 ? cv::COLOR_GRAY2RGB : cv::COLOR_BGR2RGB);
    return frame;
  }

  std::optional<double> fps() const override {
    const double fps = capture_.get(cv::CAP_PROP_FPS);
    return std::isfinite(fps) && fps > 0 ? std::optional(fps) : std::nullopt;
  }

  std::optional<int64_t> frame_count() const override { return std::nullopt; }

  double seconds() const override { return std::chrono::duration<double>(read_at_ - opened_at_).count(); }

 private:
  using Clock = std::chrono::steady_clock;

  bool read(cv::Mat& decoded) {
    const QuietOpenCv quiet;
    try {
      return capture_.read(decoded) && !decoded.empty();
    } catch (const cv::Exception&) {  // a camera that was unplugged
      return false;
    }
  }

  cv::VideoCapture capture_;
  std::string name_;
  bool started_ = false;
  bool gone_ = false;
  Clock::time_point opened_at_ = Clock::now();
  Clock::time_point read_at_ = opened_at_;
};

}  // namespace

std::unique_ptr<FrameStream> open_camera(int number) {
  if (number < 0) {
    throw InvalidArgument("[video] the camera is " + std::to_string(number) + "; 0 or more is accepted");
  }
  const std::string name = "camera " + std::to_string(number);
  const std::string device = "/dev/video" + std::to_string(number);
  cv::VideoCapture capture;
  bool opened = false;
  try {
    // The other backends, GStreamer above all, print lines of their own.
    const QuietOpenCv quiet;
    opened = capture.open(device, cv::CAP_V4L2);
  } catch (const cv::Exception&) {  // refused below
  }
  if (!opened) {
    throw DataError("[video] " + name + " cannot be opened; check that it is connected (" + device +
                    "), not in use, and that you may read it");
  }
  return std::make_unique<Camera>(std::move(capture), name);
}

}  // namespace retentive::datasets::detail
