#include <datasets/detail/header_formats.h>

namespace retentive::datasets::detail {

namespace {

constexpr int kMaxSegments = 8192;

bool is_frame_start(uint8_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

bool stands_alone(uint8_t marker) { return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8); }

void read_frame(ByteReader& reader, uint64_t body, ImageHeader& header) {
  header.bit_depth = reader.u8(body);
  header.height = reader.u16(body + 1, false);
  header.width = reader.u16(body + 3, false);
  header.channels = reader.u8(body + 5);
}

}  // namespace

ImageHeader read_jpeg_header(ByteReader& reader) {
  ImageHeader header{.format = ImageFormat::jpeg};
  bool has_exif = false;
  uint64_t position = 2;
  for (int segment = 0; segment < kMaxSegments; ++segment) {
    if (reader.u8(position) != 0xff)
      reader.fail("is a damaged JPEG: no marker at byte " + std::to_string(position) +
                  "; replace it by an intact copy");
    uint8_t marker = reader.u8(++position);
    while (marker == 0xff) marker = reader.u8(++position);
    ++position;
    if (stands_alone(marker)) continue;
    if (marker == 0xda || marker == 0xd9) {  // start of scan, end of image: the frame must have come before
      if (header.channels == 0) reader.fail("is a JPEG without a frame header; replace it by an intact copy");
      return header;
    }
    const uint16_t length = reader.u16(position, false);
    if (length < 2)
      reader.fail("is a damaged JPEG: segment of length " + std::to_string(length) + " at byte " +
                  std::to_string(position) + "; replace it by an intact copy");
    if (is_frame_start(marker)) read_frame(reader, position + 2, header);
    if (marker == 0xe1 && !has_exif && length >= 16 && reader.matches(position + 2, "Exif\0", 5)) {
      has_exif = true;
      header.orientation = read_exif_orientation(reader, position + 8, position + length);
    }
    position += length;
  }
  reader.fail("has more than " + std::to_string(kMaxSegments) + " JPEG segments before its image; save it anew");
}

}  // namespace retentive::datasets::detail
