#include <algorithm>
#include <cctype>
#include <string>

#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include <datasets/detail/mat_view.h>
#include <datasets/resize.h>
#include <datasets/video/video_writer.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

std::string ending_of(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending;
}

void check_video(const std::filesystem::path& path, double fps, int64_t height, int64_t width) {
  constexpr int64_t kMaxSide = 16384;
  const std::string ending = ending_of(path);
  if (ending != ".avi" && ending != ".mp4") {
    throw InvalidArgument("[video_writer] " + path.string() + " has the ending \"" + ending +
                          "\"; .avi and .mp4 are accepted");
  }
  if (!(fps > 0 && fps <= 1000)) {
    throw InvalidArgument("[video_writer] fps is " + std::to_string(fps) + "; more than 0 to 1000 is accepted");
  }
  if (height < 1 || width < 1 || height > kMaxSide || width > kMaxSide) {
    throw InvalidArgument("[video_writer] the size is " + std::to_string(height) + "x" + std::to_string(width) +
                          " (height x width); 1 to " + std::to_string(kMaxSide) + " is accepted for both");
  }
}

}  // namespace

class VideoWriter::Impl {
 public:
  Impl(const std::filesystem::path& path, double fps, int64_t height, int64_t width)
      : path_(path), height_(height), width_(width) {
    const bool avi = ending_of(path) == ".avi";
    const int codec = avi ? cv::VideoWriter::fourcc('M', 'J', 'P', 'G') : cv::VideoWriter::fourcc('m', 'p', '4', 'v');
    if (open(cv::CAP_FFMPEG, codec, fps, 2)) return;
    // OpenCV's own encoder rounds fps to a whole number, and spoils frames that do not fill its blocks of 16 pixels.
    if (avi ? open(cv::CAP_OPENCV_MJPEG, codec, fps, 16) : open(cv::CAP_ANY, codec, fps, 2)) return;
    throw DataError("[video_writer] " + path.string() +
                    " cannot be made; check that its folder exists and is writable" +
                    (avi ? "" : ", or write .avi, which needs no encoder of the system"));
  }

  void write(const Image& frame) {
    check_image(frame, "video_writer");
    if (!writer_.isOpened()) {
      throw StateError("[video_writer] " + path_.string() + " is closed; open another file for more frames");
    }
    if (frame.height != height_ || frame.width != width_) {
      throw InvalidArgument("[video_writer] the frame is " + std::to_string(frame.height) + "x" +
                            std::to_string(frame.width) + " (height x width) but " + path_.string() +
                            " has frames of " + std::to_string(height_) + "x" + std::to_string(width_) + "; resize it");
    }
    cv::Mat bgr, padded;
    cv::cvtColor(detail::mat_view(frame), bgr, frame.channels == 1 ? cv::COLOR_GRAY2BGR : cv::COLOR_RGB2BGR);
    cv::copyMakeBorder(bgr, padded, 0, stored_.height - bgr.rows, 0, stored_.width - bgr.cols, cv::BORDER_REPLICATE);
    writer_.write(padded);
  }

  void close() {
    if (!writer_.isOpened()) return;
    writer_.release();
    std::error_code error;
    if (const auto size = std::filesystem::file_size(path_, error); !error && size > 0) return;
    throw DataError("[video_writer] " + path_.string() + " was not written; check that its disk has space");
  }

 private:
  bool open(int backend, int codec, double fps, int64_t multiple) {
    const auto side = [multiple](int64_t pixels) {
      return static_cast<int>((pixels + multiple - 1) / multiple * multiple);
    };
    stored_ = {side(width_), side(height_)};
    try {
      return writer_.open(path_.string(), backend, codec, fps, stored_, true);
    } catch (const cv::Exception&) {  // the constructor refuses
      return false;
    }
  }

  std::filesystem::path path_;
  int64_t height_, width_;
  cv::Size stored_;
  cv::VideoWriter writer_;
};

VideoWriter::VideoWriter(const std::filesystem::path& path, double fps, int64_t height, int64_t width) {
  check_video(path, fps, height, width);
  impl_ = std::make_unique<Impl>(path, fps, height, width);
}

VideoWriter::VideoWriter(VideoWriter&&) noexcept = default;
VideoWriter& VideoWriter::operator=(VideoWriter&&) noexcept = default;
VideoWriter::~VideoWriter() = default;

void VideoWriter::write(const Image& frame) { impl_->write(frame); }
void VideoWriter::close() { impl_->close(); }

}  // namespace retentive::datasets
