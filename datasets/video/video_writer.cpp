#include <datasets/video/video_writer.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string>

#include <opencv2/imgproc.hpp>

#include <datasets/detail/mat_view.h>
#include <datasets/resize.h>
#include <datasets/video/detail/av.h>
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
  if (!(fps >= 0.001 && fps <= 1000)) {
    throw InvalidArgument("[video_writer] fps is " + std::to_string(fps) + "; 0.001 to 1000 is accepted");
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
      : path_(path), fps_(fps), height_(height), width_(width) {
    const detail::AvMessages messages;
    const bool avi = ending_of(path) == ".avi";
    AVFormatContext* made = nullptr;
    check(avformat_alloc_output_context2(&made, nullptr, avi ? "avi" : "mp4", nullptr), messages);
    container_.reset(made);
    open_encoder(avi ? AV_CODEC_ID_MJPEG : AV_CODEC_ID_MPEG4, messages);
    check(avio_open(&made->pb, detail::av_url(path.string()).c_str(), AVIO_FLAG_WRITE), messages, "made");
    const int code = avformat_write_header(made, nullptr);
    if (code < 0) abandon();
    check(code, messages);
  }

  ~Impl() {
    try {
      close();
    } catch (const Error&) {  // told by close() to those who ask
    }
  }

  void write(const Image& frame, std::optional<double> seconds) {
    check_image(frame, "video_writer");
    if (!is_open()) {
      throw StateError("[video_writer] " + path_.string() + " is closed; open another file for more frames");
    }
    if (frame.height != height_ || frame.width != width_) {
      throw InvalidArgument("[video_writer] the frame is " + std::to_string(frame.height) + "x" +
                            std::to_string(frame.width) + " (height x width) but " + path_.string() +
                            " has frames of " + std::to_string(height_) + "x" + std::to_string(width_) + "; resize it");
    }
    const detail::AvMessages messages;
    check(av_frame_make_writable(stored_.get()), messages);
    fill(frame);
    stored_->pts = step_of(seconds);
    guarded(messages, [&] { return encode(stored_.get()); });
  }

  void close() {
    if (!is_open()) return;
    const detail::AvMessages messages;
    guarded(messages, [&] {
      const int code = encode(nullptr);
      return code < 0 ? code : av_write_trailer(container_.get());
    });
    const int code = avio_closep(&container_->pb);
    check(code, messages);
  }

 private:
  bool is_open() const { return container_->pb != nullptr; }

  void check(int code, const detail::AvMessages& messages, const std::string& what = "written") const {
    if (code >= 0) return;
    throw DataError("[video_writer] " + path_.string() + " cannot be " + what + " (" + messages.reason(code) +
                    "); check that its folder exists and is writable, and that its disk has space");
  }

  // After a failure nothing more is written.
  template <class Step>
  void guarded(const detail::AvMessages& messages, const Step& step) {
    int code = step();
    avio_flush(container_->pb);
    if (code >= 0) code = container_->pb->error;
    if (code < 0) abandon();
    check(code, messages);
  }

  void abandon() { avio_closep(&container_->pb); }

  void open_encoder(AVCodecID id, const detail::AvMessages& messages) {
    const auto even = [](int64_t side) { return static_cast<int>((side + 1) / 2 * 2); };
    const auto* codec = avcodec_find_encoder(id);
    if (codec == nullptr) {
      throw DataError("[video_writer] FFmpeg here has no encoder \"" + std::string(avcodec_get_name(id)) + "\" for " +
                      path_.string() + "; write the other of .avi and .mp4");
    }
    encoder_.reset(avcodec_alloc_context3(codec));
    stored_.reset(av_frame_alloc());
    packet_.reset(av_packet_alloc());
    if (!encoder_ || !stored_ || !packet_) throw std::bad_alloc();
    constexpr int kMpeg4MaxSteps = 65535;  // of a second, as its header counts them
    const AVRational rate = av_d2q(fps_, kMpeg4MaxSteps);
    constexpr int kQuality = 3;  // of 1, the best, to 31
    encoder_->width = even(width_);
    encoder_->height = even(height_);
    encoder_->pix_fmt = id == AV_CODEC_ID_MJPEG ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
    encoder_->time_base = av_inv_q(rate);
    encoder_->framerate = rate;
    encoder_->flags |= AV_CODEC_FLAG_QSCALE;
    encoder_->global_quality = kQuality * FF_QP2LAMBDA;
    encoder_->thread_count = 1;
    if ((container_->oformat->flags & AVFMT_GLOBALHEADER) != 0) encoder_->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    check(avcodec_open2(encoder_.get(), codec, nullptr), messages);
    AVStream* stream = avformat_new_stream(container_.get(), nullptr);
    if (stream == nullptr) throw std::bad_alloc();
    check(avcodec_parameters_from_context(stream->codecpar, encoder_.get()), messages);
    stream->time_base = encoder_->time_base;
    stream->avg_frame_rate = rate;
    stored_->width = encoder_->width;
    stored_->height = encoder_->height;
    stored_->format = encoder_->pix_fmt;
    stored_->quality = encoder_->global_quality;
    check(av_frame_get_buffer(stored_.get(), 0), messages);
  }

  void fill(const Image& frame) {
    cv::Mat rgb = detail::mat_view(frame), padded;
    if (frame.channels == 1) {
      cv::Mat colour;
      cv::cvtColor(rgb, colour, cv::COLOR_GRAY2RGB);
      rgb = colour;
    }
    cv::copyMakeBorder(rgb, padded, 0, stored_->height - rgb.rows, 0, stored_->width - rgb.cols, cv::BORDER_REPLICATE);
    detail::av_from_rgb(padded.data, static_cast<int>(padded.step), *stored_, scaler_);
  }

  int64_t step_of(std::optional<double> seconds) {
    // The .avi writer refuses 60,000 steps at once, MPEG-4 more than an hour.
    const double most = std::clamp(3600 * fps_, 1.0, 50'000.0);
    double ahead = 1;
    if (seconds && last_step_ >= 0 && std::isfinite(*seconds)) {
      ahead = std::clamp(std::round((*seconds - first_seconds_) * fps_) - static_cast<double>(last_step_), 1.0, most);
    }
    if (last_step_ < 0) first_seconds_ = seconds.value_or(0);
    return last_step_ += static_cast<int64_t>(ahead);
  }

  // Below 0 for an error of encoder or file.
  int encode(const AVFrame* frame) {
    int code = avcodec_send_frame(encoder_.get(), frame);
    while (code >= 0) {
      code = avcodec_receive_packet(encoder_.get(), packet_.get());
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return 0;
      if (code < 0) return code;
      packet_->duration = 1;
      av_packet_rescale_ts(packet_.get(), encoder_->time_base, container_->streams[0]->time_base);
      code = av_write_frame(container_.get(), packet_.get());
      av_packet_unref(packet_.get());
    }
    return code;
  }

  std::filesystem::path path_;
  double fps_;
  int64_t height_, width_;
  detail::AvOutput container_;
  detail::AvCodec encoder_;
  detail::AvFrame stored_;
  detail::AvPacket packet_;
  detail::AvScaler scaler_;
  int64_t last_step_ = -1;
  double first_seconds_ = 0;
};

VideoWriter::VideoWriter(const std::filesystem::path& path, double fps, int64_t height, int64_t width) {
  check_video(path, fps, height, width);
  impl_ = std::make_unique<Impl>(path, fps, height, width);
}

VideoWriter::VideoWriter(VideoWriter&&) noexcept = default;
VideoWriter& VideoWriter::operator=(VideoWriter&&) noexcept = default;
VideoWriter::~VideoWriter() = default;

void VideoWriter::write(const Image& frame, std::optional<double> seconds) { impl_->write(frame, seconds); }
void VideoWriter::close() { impl_->close(); }

}  // namespace retentive::datasets
