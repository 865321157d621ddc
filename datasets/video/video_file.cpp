#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

#include <opencv2/core.hpp>

#include <datasets/detail/mat_view.h>
#include <datasets/video/detail/av.h>
#include <datasets/video/detail/frame_stream.h>
#include <retention/base/error.h>

extern "C" {
#include <libavutil/display.h>
}

namespace retentive::datasets::detail {
namespace {

using vision::Image;

// Single files alone: playlists would read others, and series of pictures take one for a pattern.
constexpr const char* kContainers =
    "asf,av1,avi,dv,dvd,flv,gif,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,vc1,vob,"
    "webm,yuv4mpegpipe";

/// A turn by quarters and mirroring, as a display matrix has it.
struct Turn {
  bool swap_axes = false;
  bool flip_x = false;
  bool flip_y = false;
};

// x' = m[0] x + m[3] y and y' = m[1] x + m[4] y; angles between go to the nearest quarter.
Turn turn_of(const int32_t* matrix) {
  if (matrix == nullptr) return {};
  const auto size = [&](int i) { return std::abs(static_cast<int64_t>(matrix[i])); };
  if (size(0) >= size(1)) return {false, matrix[0] < 0, matrix[4] < 0};
  return {true, matrix[3] < 0, matrix[1] < 0};
}

Image turned(const cv::Mat& rgb, const Turn& turn) {
  cv::Mat source = rgb;
  if (turn.swap_axes) cv::transpose(rgb, source);
  Image image{source.rows, source.cols, 3, {}};
  image.pixels.resize(image.height * image.width * 3);
  cv::Mat target = mat_view(image);
  if (turn.flip_x || turn.flip_y) {
    cv::flip(source, target, turn.flip_x && turn.flip_y ? -1 : turn.flip_x ? 1 : 0);
  } else {
    source.copyTo(target);
  }
  return image;
}

const int32_t* matrix_of(const AVStream& stream) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
  const auto* data = av_packet_side_data_get(stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data,
                                             AV_PKT_DATA_DISPLAYMATRIX);
  return data != nullptr && data->size >= 9 * sizeof(int32_t) ? reinterpret_cast<const int32_t*>(data->data) : nullptr;
#else
  size_t size = 0;
  const uint8_t* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  return size >= 9 * sizeof(int32_t) ? reinterpret_cast<const int32_t*>(data) : nullptr;
#endif
}

class VideoFile final : public FrameStream {
 public:
  VideoFile(const std::filesystem::path& path, const DecodeOptions& options)
      : name_(path.string()), max_pixels_(options.max_pixels) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) {
      throw DataError("[video] " + name_ + " is not a file that can be read; give the path of a video file");
    }
    const AvMessages messages;
    open_container(messages);
    choose_stream();
    open_decoder(messages);
    packet_.reset(av_packet_alloc());
    frame_.reset(av_frame_alloc());
    if (!packet_ || !frame_) throw std::bad_alloc();
  }

  std::optional<Image> next() override {
    if (ended_) return std::nullopt;
    ended_ = true;  // unless a frame comes
    const AvMessages messages;
    while (true) {
      const int code = avcodec_receive_frame(decoder_.get(), frame_.get());
      if (code == 0) break;
      if (code == AVERROR(EAGAIN)) {
        feed(messages);
      } else {
        return end(code == AVERROR_EOF ? damage_ : messages.reason(code));
      }
    }
    if (frame_->decode_error_flags != 0 || (frame_->flags & AV_FRAME_FLAG_CORRUPT) != 0) {
      return end(messages.reason(AVERROR_INVALIDDATA));
    }
    check_size(frame_->width, frame_->height);
    time_ = time_of(*frame_);
    auto image = upright();
    ++frames_;
    ended_ = false;
    return image;
  }

  std::optional<double> fps() const override {
    for (const AVRational rate : {stream_->avg_frame_rate, stream_->r_frame_rate}) {
      if (rate.num > 0 && rate.den > 0) return av_q2d(rate);
    }
    return std::nullopt;
  }

  std::optional<int64_t> frame_count() const override {
    return stream_->nb_frames > 0 ? std::optional(stream_->nb_frames) : std::nullopt;
  }

  double seconds() const override { return time_; }

 private:
  DataError failure(const std::string& what, const std::string& reason) const {
    return DataError("[video] " + name_ + " " + what + " (" + reason +
                     "); replace it or convert it with: ffmpeg -i FILE -c:v mjpeg OUT.avi");
  }

  void open_container(const AvMessages& messages) {
    AVDictionary* settings = nullptr;
    av_dict_set(&settings, "format_whitelist", kContainers, 0);
    av_dict_set(&settings, "protocol_whitelist", "file", 0);
    AVFormatContext* opened = nullptr;
    int code = avformat_open_input(&opened, av_url(name_).c_str(), nullptr, &settings);
    av_dict_free(&settings);
    container_.reset(opened);
    if (code >= 0) code = find_streams();
    if (code < 0) throw failure("is damaged or of a kind that FFmpeg here cannot read", messages.reason(code));
  }

  // Looks into the streams, decoding a little, with the limit on sizes in force.
  int find_streams() {
    std::vector<AVDictionary*> settings(container_->nb_streams);
    for (auto& each : settings) av_dict_set_int(&each, "max_pixels", most_pixels(), 0);
    const int code = avformat_find_stream_info(container_.get(), settings.data());
    for (auto& each : settings) av_dict_free(&each);
    return code;
  }

  // The first video that is no cover picture; one that the file marks as its default goes before.
  void choose_stream() {
    for (unsigned i = 0; i < container_->nb_streams; ++i) {
      AVStream* stream = container_->streams[i];
      stream->discard = AVDISCARD_ALL;
      const bool video = stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
                         (stream->disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS)) == 0;
      const auto preferred = [](const AVStream* one) { return (one->disposition & AV_DISPOSITION_DEFAULT) != 0; };
      if (video && (stream_ == nullptr || (preferred(stream) && !preferred(stream_)))) stream_ = stream;
    }
    if (stream_ == nullptr) {
      throw DataError("[video] " + name_ + " holds no video, at most sound and pictures; give a video file");
    }
    stream_->discard = AVDISCARD_DEFAULT;
  }

  // Before memory is taken. Decoders count the margins of their buffers too, check_size() what is shown.
  int64_t most_pixels() const {
    constexpr int64_t kMargins = 1 << 20, kMost = 1 << 30;
    return 2 * std::min(max_pixels_, kMost) + kMargins;
  }

  void check_size(int64_t width, int64_t height) const {
    if (width < 1 || height <= max_pixels_ / width) return;
    throw DataError("[video] " + name_ + " has frames of " + std::to_string(height) + "x" + std::to_string(width) +
                    " (height x width) from frame " + std::to_string(frames_) + " on, more pixels than the limit of " +
                    std::to_string(max_pixels_) + "; scale it down, or raise max_pixels");
  }

  void open_decoder(const AvMessages& messages) {
    const AVCodecParameters& coded = *stream_->codecpar;
    check_size(coded.width, coded.height);
    const auto* codec = avcodec_find_decoder(coded.codec_id);
    if (codec == nullptr) {
      throw failure("cannot be decoded",
                    std::string("no decoder for the codec \"") + avcodec_get_name(coded.codec_id) + "\"");
    }
    decoder_.reset(avcodec_alloc_context3(codec));
    if (!decoder_) throw std::bad_alloc();
    int code = avcodec_parameters_to_context(decoder_.get(), &coded);
    decoder_->pkt_timebase = stream_->time_base;
    decoder_->max_pixels = most_pixels();
    decoder_->err_recognition |= AV_EF_CRCCHECK;
    // Motion JPEG alone would show what a damaged frame still gives, without a word.
    if (codec->id == AV_CODEC_ID_MJPEG) decoder_->err_recognition |= AV_EF_EXPLODE;
    decoder_->thread_count = 1;  // detection takes far longer, and messages of other threads could not be kept
    if (code >= 0) code = avcodec_open2(decoder_.get(), codec, nullptr);
    if (code < 0) throw failure("cannot be decoded", messages.reason(code));
  }

  // False at the end of the file; where that comes too early, `damage_` says so.
  bool read() {
    const AvMessages messages;
    av_packet_unref(packet_.get());
    const int code = av_read_frame(container_.get(), packet_.get());
    if (code < 0 && (code != AVERROR_EOF || messages.any())) damage_ = messages.reason(code);
    return code >= 0;
  }

  // Hands the decoder a packet, or the end: of the file, or where it is damaged.
  void feed(const AvMessages& messages) {
    if (!read()) {
      avcodec_send_packet(decoder_.get(), nullptr);
      return;
    }
    if (packet_->stream_index != stream_->index || packet_->size == 0) return;  // an empty one repeats the last frame
    started_ = started_ || (packet_->flags & AV_PKT_FLAG_KEY) != 0;
    const int code = (packet_->flags & AV_PKT_FLAG_CORRUPT) != 0 ? AVERROR_INVALIDDATA
                                                                 : avcodec_send_packet(decoder_.get(), packet_.get());
    // A recording may begin between key frames, where nothing can be decoded yet.
    if (code >= 0 || !started_) return;
    damage_ = messages.reason(code);
    avcodec_send_packet(decoder_.get(), nullptr);
  }

  std::optional<Image> end(const std::string& damage) const {
    if (!damage.empty()) throw failure("is damaged at frame " + std::to_string(frames_), damage);
    if (frames_ == 0) throw failure("holds no frame that can be decoded", "no frame");
    return std::nullopt;
  }

  double time_of(const AVFrame& frame) {
    const int64_t stamp = frame.best_effort_timestamp;
    if (stamp == AV_NOPTS_VALUE) return frames_ == 0 ? 0 : time_ + 1 / fps().value_or(25);
    if (first_stamp_ == AV_NOPTS_VALUE) first_stamp_ = stamp;
    const AVRational unit = stream_->time_base;
    return static_cast<double>(stamp - first_stamp_) * unit.num / unit.den;
  }

  Image upright() {
    const AVFrame& frame = *frame_;
    // Whole blocks of 64 pixels: FFmpeg may write a little beyond the end of a row.
    const cv::Mat rows(frame.height, (frame.width + 63) / 64 * 64, CV_8UC3);
    if (!av_to_rgb(frame, rows.data, static_cast<int>(rows.step), scaler_)) {
      throw failure("has frames in a pixel format that FFmpeg here cannot convert", "frame " + std::to_string(frames_));
    }
    const auto* own = av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
    const int32_t* matrix = own != nullptr ? reinterpret_cast<const int32_t*>(own->data) : matrix_of(*stream_);
    return turned(rows.colRange(0, frame.width), turn_of(matrix));
  }

  std::string name_;
  int64_t max_pixels_;
  AvInput container_;
  AVStream* stream_ = nullptr;
  AvCodec decoder_;
  AvPacket packet_;
  AvFrame frame_;
  AvScaler scaler_;
  int64_t frames_ = 0;  // given so far
  int64_t first_stamp_ = AV_NOPTS_VALUE;
  double time_ = 0;
  bool started_ = false;
  bool ended_ = false;
  std::string damage_;
};

}  // namespace

std::unique_ptr<FrameStream> open_video_file(const std::filesystem::path& path, const DecodeOptions& options) {
  return std::make_unique<VideoFile>(path, options);
}

}  // namespace retentive::datasets::detail
