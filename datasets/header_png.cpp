#include <datasets/detail/header_formats.h>

namespace retentive::datasets::detail {

namespace {

constexpr int kMaxChunks = 65536;

int png_channels(int colour_type) {
  switch (colour_type) {
    case 2:
      return 3;
    case 4:
      return 2;
    case 6:
      return 4;
    default:
      return 1;
  }
}

// EXIF may follow the pixel data, so the walk seeks over it; damage there is for the decoder to judge.
int find_orientation(ByteReader& reader) {
  uint64_t position = 8;
  for (int chunk = 0; chunk < kMaxChunks && position + 12 <= reader.size(); ++chunk) {
    const uint64_t length = reader.u32(position, false);
    const uint64_t body = position + 8;
    if (length > reader.size() - body) break;
    if (reader.matches(position + 4, "eXIf", 4)) return read_exif_orientation(reader, body, body + length);
    if (reader.matches(position + 4, "IEND", 4)) break;
    position = body + length + 4;
  }
  return 1;
}

}  // namespace

ImageHeader read_png_header(ByteReader& reader) {
  if (!reader.matches(12, "IHDR", 4) || reader.u32(8, false) != 13) {
    reader.at(12, 17);
    reader.fail("is a damaged PNG: its first chunk is not a header; replace it by an intact copy");
  }
  ImageHeader header{.format = ImageFormat::png};
  header.width = reader.u32(16, false);
  header.height = reader.u32(20, false);
  header.bit_depth = reader.u8(24);
  header.channels = png_channels(reader.u8(25));
  header.orientation = find_orientation(reader);
  return header;
}

}  // namespace retentive::datasets::detail
