#include <datasets/detail/header_formats.h>

namespace retentive::datasets::detail {

namespace {

constexpr int kMaxChunks = 65536;

void read_lossy(ByteReader& reader, uint64_t body, ImageHeader& header) {
  if (!reader.matches(body + 3, "\x9d\x01\x2a", 3)) {
    reader.at(body, 10);
    reader.fail("is a damaged WebP: its VP8 frame has no start code; replace it by an intact copy");
  }
  header.width = reader.u16(body + 6, true) & 0x3fff;
  header.height = reader.u16(body + 8, true) & 0x3fff;
  header.channels = 3;
}

void read_lossless(ByteReader& reader, uint64_t body, ImageHeader& header) {
  if (reader.u8(body) != 0x2f) {
    reader.fail("is a damaged WebP: its VP8L stream has no signature; replace it by an intact copy");
  }
  const uint32_t bits = reader.u32(body + 1, true);
  header.width = (bits & 0x3fff) + 1;
  header.height = (bits >> 14 & 0x3fff) + 1;
  header.channels = (bits >> 28 & 1) ? 4 : 3;
}

int find_orientation(ByteReader& reader) {
  uint64_t position = 12;
  for (int chunk = 0; chunk < kMaxChunks && position + 8 <= reader.size(); ++chunk) {
    const uint64_t length = reader.u32(position + 4, true);
    const uint64_t body = position + 8;
    if (length > reader.size() - body) break;
    if (reader.matches(position, "EXIF", 4)) {
      return read_exif_orientation(reader, body, body + length);
    }
    position = body + length + (length & 1);
  }
  return 1;
}

}  // namespace

ImageHeader read_webp_header(ByteReader& reader) {
  ImageHeader header{.format = ImageFormat::webp, .bit_depth = 8};
  constexpr uint64_t kBody = 20;
  if (reader.matches(12, "VP8 ", 4)) {
    read_lossy(reader, kBody, header);
  } else if (reader.matches(12, "VP8L", 4)) {
    read_lossless(reader, kBody, header);
  } else if (reader.matches(12, "VP8X", 4)) {
    const uint8_t flags = reader.u8(kBody);
    header.width = int64_t{reader.u24(kBody + 4, true)} + 1;
    header.height = int64_t{reader.u24(kBody + 7, true)} + 1;
    header.channels = (flags & 0x10) ? 4 : 3;
    header.orientation = find_orientation(reader);
  } else {
    reader.at(12, 8);
    reader.fail("is a damaged WebP: its first chunk is none of VP8, VP8L and VP8X; replace it by an intact copy");
  }
  return header;
}

}  // namespace retentive::datasets::detail
