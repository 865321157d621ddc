#include <apps/detect_video.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include <datasets/draw.h>
#include <datasets/resize.h>

namespace retentive::apps {
namespace {

using vision::Image;

std::string size_text(int64_t height, int64_t width) { return std::to_string(height) + "x" + std::to_string(width); }

// As large as fits, in the middle of black.
Image letterbox(const Image& image, int64_t height, int64_t width) {
  const double scale = std::min(static_cast<double>(height) / static_cast<double>(image.height),
                                static_cast<double>(width) / static_cast<double>(image.width));
  const auto side = [scale](int64_t pixels, int64_t most) {
    return std::clamp<int64_t>(std::llround(static_cast<double>(pixels) * scale), 1, most);
  };
  const int64_t h = side(image.height, height), w = side(image.width, width);
  const auto scaled = datasets::resize(image, h, w, vision::Interpolation::bilinear);
  return datasets::crop(scaled, {-(height - h) / 2, -(width - w) / 2, height, width});
}

}  // namespace

DrawnVideo::DrawnVideo(std::filesystem::path path, const datasets::FrameSource& source, std::string name)
    : path_(std::move(path)), source_(source), name_(std::move(name)) {}

void DrawnVideo::begin(const Image& frame) {
  constexpr double kUsualRate = 25, kLeast = 1, kMost = 240;
  const double stated = source_.fps().value_or(kUsualRate);
  const double rate = std::clamp(stated, kLeast, kMost);
  if (rate < stated) {
    std::cerr << "note: " << name_ << " states " << stated << " frames a second; the drawn video has " << rate << "\n";
  }
  height_ = frame.height;
  width_ = frame.width;
  writer_.emplace(path_, rate, height_, width_);
}

void DrawnVideo::add(Image frame) {
  if (!writer_) begin(frame);
  if (frame.height != height_ || frame.width != width_) {
    if (!letterboxed_) {
      std::cerr << "note: " << name_ << " changes its size from " << size_text(height_, width_) << " to "
                << size_text(frame.height, frame.width) << " (height x width) at frame " << source_.index()
                << "; such frames are letterboxed in the drawn video\n";
    }
    letterboxed_ = true;
    frame = letterbox(frame, height_, width_);
  }
  writer_->write(frame, source_.seconds());
}

void DrawnVideo::close() {
  if (writer_) writer_->close();
}

void detect_frames(const std::string& name, datasets::FrameSource source, const models::Detector& detector,
                   DetectionWriter& writer, const std::optional<std::filesystem::path>& drawing,
                   const std::atomic<bool>& stop) {
  std::optional<DrawnVideo> video;
  if (drawing) video.emplace(*drawing, source, name);
  while (!stop) {
    const auto frame = source.next();
    if (!frame) break;
    const models::ImageDetections item{name, frame->height, frame->width, detector.detect(*frame), std::nullopt};
    writer.write(item, FramePosition{source.index(), source.seconds()});
    if (video) video->add(datasets::draw_detections(*frame, item.detections, detector.labels()));
  }
  if (video) video->close();
}

}  // namespace retentive::apps
