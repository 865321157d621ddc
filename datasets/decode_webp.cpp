#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include <datasets/detail/byte_reader.h>
#include <datasets/detail/decoders.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

struct DeleteAnimation {
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

/// The canvas after the first frame.
bool decode_first_frame(const WebPData& data, const ImageHeader& header, Decoded& decoded) {
  const std::unique_ptr<WebPAnimDecoder, DeleteAnimation> animation(WebPAnimDecoderNew(&data, nullptr));
  WebPAnimInfo info;
  if (!animation || !WebPAnimDecoderGetInfo(animation.get(), &info)) return false;
  if (info.canvas_width != header.width || info.canvas_height != header.height) return false;
  uint8_t* rgba = nullptr;
  int time = 0;
  if (!WebPAnimDecoderGetNext(animation.get(), &rgba, &time)) return false;
  split_rgba(rgba, decoded);
  decoded.notes.push_back("is an animated WebP; its first frame was read");
  return true;
}

bool decode_still(std::span<const uint8_t> bytes, const ImageHeader& header, Decoded& decoded) {
  const auto width = static_cast<size_t>(header.width), height = static_cast<size_t>(header.height);
  if (!decoded.has_alpha()) {
    auto& rgb = decoded.colour.pixels;
    return WebPDecodeRGBInto(bytes.data(), bytes.size(), rgb.data(), rgb.size(), static_cast<int>(3 * width));
  }
  std::vector<uint8_t> rgba(4 * width * height);
  if (!WebPDecodeRGBAInto(bytes.data(), bytes.size(), rgba.data(), rgba.size(), static_cast<int>(4 * width))) {
    return false;
  }
  split_rgba(rgba.data(), decoded);
  return true;
}

}  // namespace

Decoded decode_webp(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name) {
  const ByteReader reader(bytes, name);
  WebPBitstreamFeatures features;
  bool good = WebPGetFeatures(bytes.data(), bytes.size(), &features) == VP8_STATUS_OK &&
              features.width == header.width && features.height == header.height;
  Decoded decoded;
  if (good) {
    // The first frame of an animation need not cover its canvas.
    decoded = make_decoded(header, features.has_alpha || features.has_animation);
    good = features.has_animation ? decode_first_frame({bytes.data(), bytes.size()}, header, decoded)
                                  : decode_still(bytes, header, decoded);
  }
  if (!good) reader.fail("is a damaged WebP that cannot be decoded; replace it or save it anew");
  return decoded;
}

}  // namespace retentive::datasets::detail
