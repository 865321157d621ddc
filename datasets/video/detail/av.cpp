#include <datasets/video/detail/av.h>

#include <cstdarg>

extern "C" {
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
}

namespace retentive::datasets::detail {
namespace {

thread_local AvMessages* current = nullptr;

constexpr int kConversion = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;

bool prepare(AvScaler& scaler, int width, int height, AVPixelFormat from, AVPixelFormat to) {
  scaler.reset(sws_getCachedContext(scaler.release(), width, height, from, width, height, to, kConversion, nullptr,
                                    nullptr, nullptr));
  return scaler != nullptr;
}

// The yuvj formats are full range by name, and FFmpeg knows it.
bool full_range(const AVFrame& frame) {
  const std::string name = av_get_pix_fmt_name(static_cast<AVPixelFormat>(frame.format));
  return frame.color_range == AVCOL_RANGE_JPEG || name.starts_with("yuvj");
}

}  // namespace

AvMessages::AvMessages() : outer_(current) {
  static const bool installed = (av_log_set_callback(collect), true);
  static_cast<void>(installed);
  current = this;
}

AvMessages::~AvMessages() { current = outer_; }

void AvMessages::collect(void* context, int level, const char* format, va_list arguments) {
  if (current == nullptr) {
    av_log_default_callback(context, level, format, arguments);
    return;
  }
  if (level > AV_LOG_ERROR || !current->first_error_.empty()) return;
  char line[512];
  int no_prefix = 0;
  av_log_format_line2(context, level, format, arguments, line, sizeof line, &no_prefix);
  std::string text = line;
  text.erase(text.find_last_not_of(" .\r\n") + 1);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 32) c = ' ';  // what a damaged file holds may reach the message
  }
  current->first_error_ = text;
}

std::string AvMessages::reason(int code) const {
  if (!first_error_.empty()) return first_error_;
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof text);
  return text;
}

std::string av_url(const std::string& path) { return "file:" + path; }

bool av_to_rgb(const AVFrame& frame, uint8_t* rgb, int stride, AvScaler& scaler) {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  if (!prepare(scaler, frame.width, frame.height, format, AV_PIX_FMT_RGB24)) return false;
  sws_setColorspaceDetails(scaler.get(), sws_getCoefficients(frame.colorspace), full_range(frame),
                           sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
  return sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, &rgb, &stride) == frame.height;
}

bool av_from_rgb(const uint8_t* rgb, int stride, AVFrame& frame, AvScaler& scaler) {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  if (!prepare(scaler, frame.width, frame.height, AV_PIX_FMT_RGB24, format)) return false;
  const int* matrix = sws_getCoefficients(SWS_CS_DEFAULT);
  sws_setColorspaceDetails(scaler.get(), matrix, 1, matrix, full_range(frame), 0, 1 << 16, 1 << 16);
  return sws_scale(scaler.get(), &rgb, &stride, 0, frame.height, frame.data, frame.linesize) == frame.height;
}

}  // namespace retentive::datasets::detail
