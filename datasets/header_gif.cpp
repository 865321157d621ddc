#include <algorithm>

#include <datasets/detail/header_formats.h>

namespace retentive::datasets::detail {

namespace {

constexpr int kMaxBlocks = 65536;

uint64_t colour_table_bytes(uint8_t flags) { return flags & 0x80 ? uint64_t{3} << ((flags & 7) + 1) : 0; }

/// Where the first image's descriptor begins.
uint64_t find_image(ByteReader& reader) {
  uint64_t position = 13 + colour_table_bytes(reader.u8(10));
  for (int block = 0; block < kMaxBlocks; ++block) {
    const uint8_t kind = reader.u8(position);
    if (kind == 0x2c) return position;
    if (kind != 0x21) break;
    position += 2;  // an extension: parts that begin with their size, up to an empty one
    for (uint8_t size = 1; size != 0 && block < kMaxBlocks; ++block) {
      size = reader.u8(position);
      position += 1 + uint64_t{size};
    }
  }
  reader.fail("is a GIF without an image; replace it by an intact copy");
}

}  // namespace

ImageHeader read_gif_header(ByteReader& reader) {
  ImageHeader header{.format = ImageFormat::gif, .channels = 1, .bit_depth = 8};
  const uint64_t image = find_image(reader);
  // Some files give a canvas that is smaller than the first frame, or none: viewers widen it.
  header.width = std::max<int64_t>(reader.u16(6, true), reader.u16(image + 1, true) + reader.u16(image + 5, true));
  header.height = std::max<int64_t>(reader.u16(8, true), reader.u16(image + 3, true) + reader.u16(image + 7, true));
  return header;
}

}  // namespace retentive::datasets::detail
