#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <datasets/image_header.h>
#include <datasets/image_io.h>

namespace retentive::datasets::detail {

/// Pixels as they are stored, before orientation.
struct Decoded {
  Image colour;                    ///< RGB [height, width, 3], not multiplied with alpha
  Image alpha;                     ///< [height, width, 1]; no pixels without an alpha channel
  std::vector<std::string> notes;  ///< what the caller should know, each "<file> " + note

  bool has_alpha() const { return !alpha.pixels.empty(); }
};

/// Black of the header's size, with alpha (opaque) when asked for.
Decoded make_decoded(const ImageHeader& header, bool has_alpha);

/// Colours and alpha from interleaved RGBA of the whole picture.
void split_rgba(const uint8_t* rgba, Decoded& decoded);

/// Each decodes a file whose header and size were checked. Throws DataError naming the file for damage and for kinds
/// that are not read. What libraries print is kept off stderr.
Decoded decode_jpeg(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name);
Decoded decode_png(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name);
Decoded decode_webp(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name);
Decoded decode_gif(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name);
Decoded decode_bmp(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name);
Decoded decode_tiff(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name);
Decoded decode_pnm(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name);

/// `value` of 0 to `largest` as 0 to 255; of 16 bits the high byte.
inline uint8_t to_byte(uint32_t value, uint32_t largest) {
  if (largest == 65535) return static_cast<uint8_t>(value >> 8);
  return static_cast<uint8_t>((uint64_t{value} * 255 + largest / 2) / largest);
}

/// RGB of a CMYK pixel, 255 = full ink.
inline void cmyk_to_rgb(const uint8_t* ink, uint8_t* out) {
  for (int c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>(((255 - ink[c]) * (255 - ink[3]) + 127) / 255);
}

}  // namespace retentive::datasets::detail
