#pragma once

#include <atomic>
#include <memory>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

namespace retentive::datasets::detail {

/// Deleters of FFmpeg's objects: its functions take the address of the pointer, or the pointer itself.
template <auto release>
struct AvRelease {
  template <class T>
  void operator()(T* object) const {
    release(&object);
  }
};
template <auto release>
struct AvFree {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};

using AvInput = std::unique_ptr<AVFormatContext, AvRelease<avformat_close_input>>;
using AvOutput = std::unique_ptr<AVFormatContext, AvFree<avformat_free_context>>;
using AvCodec = std::unique_ptr<AVCodecContext, AvRelease<avcodec_free_context>>;
using AvPacket = std::unique_ptr<AVPacket, AvRelease<av_packet_free>>;
using AvFrame = std::unique_ptr<AVFrame, AvRelease<av_frame_free>>;
using AvScaler = std::unique_ptr<SwsContext, AvFree<sws_freeContext>>;

/// While it lives, FFmpeg's messages on this thread are kept for our own errors instead of printed. Other threads, and
/// programs with uses of FFmpeg of their own, see what they always saw.
class AvMessages {
 public:
  AvMessages();
  ~AvMessages();
  AvMessages(const AvMessages&) = delete;
  AvMessages& operator=(const AvMessages&) = delete;

  /// Whether there was an error message.
  bool any() const { return !first_error_.empty(); }
  /// The first error message, else FFmpeg's text for the error code.
  std::string reason(int code) const;

 private:
  static void collect(void* context, int level, const char* format, va_list arguments);

  std::string first_error_;
  AvMessages* outer_;
};

/// FFmpeg's name for a file, whatever characters the path has.
std::string av_url(const std::string& path);

/// Converts pixels, 8 or more bits and any range or matrix, between a frame's format and RGB of the same size.
/// `scaler` is used again as long as sizes and formats stay. False when FFmpeg cannot convert the format.
bool av_to_rgb(const AVFrame& frame, uint8_t* rgb, int stride, AvScaler& scaler);
bool av_from_rgb(const uint8_t* rgb, int stride, AVFrame& frame, AvScaler& scaler);

}  // namespace retentive::datasets::detail
