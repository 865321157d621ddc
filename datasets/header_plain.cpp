#include <datasets/detail/header_formats.h>

namespace retentive::datasets::detail {

ImageHeader read_bmp_header(ByteReader& reader) {
  ImageHeader header{.format = ImageFormat::bmp};
  const uint32_t header_size = reader.u32(14, true);
  int bits = 0;
  if (header_size == 12) {
    header.width = reader.u16(18, true);
    header.height = reader.u16(20, true);
    bits = reader.u16(24, true);
  } else if (header_size >= 36 && header_size <= 1024) {
    header.width = static_cast<int32_t>(reader.u32(18, true));
    header.height = static_cast<int32_t>(reader.u32(22, true));
    if (header.height < 0) header.height = -header.height;  // rows top to bottom
    bits = reader.u16(28, true);
  } else {
    reader.fail("begins like a BMP but its header size is " + std::to_string(header_size) +
                "; 12 or 36 to 1024 is accepted; convert it to PNG");
  }
  header.channels = bits <= 8 ? 1 : bits == 32 ? 4 : 3;
  header.bit_depth = bits <= 8 ? bits : bits == 16 ? 5 : 8;
  return header;
}

namespace {

constexpr uint64_t kMaxPnmHeader = 4096;

bool is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

int64_t header_number(ByteReader& reader, uint64_t& position) {
  const auto value = read_pnm_number(reader, position, 10);
  if (value && position < kMaxPnmHeader) return *value;
  reader.fail("is a damaged PNM: a number is expected at byte " + std::to_string(position) + "; replace the file");
}

}  // namespace

std::optional<uint32_t> read_pnm_number(ByteReader& reader, uint64_t& position, int most_digits) {
  bool comment = false;
  for (; position < reader.size(); ++position) {
    const uint8_t byte = reader.u8(position);
    if (byte == '#') comment = true;
    if (byte == '\n' || byte == '\r') comment = false;
    if (!comment && !is_space(byte)) break;
  }
  uint64_t value = 0;
  int digits = 0;
  for (; digits < most_digits && position < reader.size(); ++digits, ++position) {
    const uint8_t byte = reader.u8(position);
    if (byte < '0' || byte > '9') break;
    value = 10 * value + (byte - '0');
  }
  if (digits == 0 || value > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(value);
}

PnmLayout read_pnm_layout(ByteReader& reader) {
  PnmLayout layout;
  layout.kind = reader.u8(1) - '0';
  uint64_t position = 2;
  layout.width = header_number(reader, position);
  layout.height = header_number(reader, position);
  if (layout.kind != 1 && layout.kind != 4) layout.max_value = header_number(reader, position);
  if (!is_space(reader.u8(position))) {
    reader.fail("is a damaged PNM: no blank after its header, at byte " + std::to_string(position) +
                "; replace the file");
  }
  layout.data = position + 1;
  return layout;
}

ImageHeader read_pnm_header(ByteReader& reader) {
  const PnmLayout layout = read_pnm_layout(reader);
  if (layout.max_value < 1 || layout.max_value > 65535) {
    reader.fail("is a PNM of largest value " + std::to_string(layout.max_value) + "; 1 to 65535 is accepted");
  }
  ImageHeader header{.format = ImageFormat::pnm, .width = layout.width, .height = layout.height};
  header.channels = layout.kind == 3 || layout.kind == 6 ? 3 : 1;
  for (int64_t rest = layout.max_value; rest > 0; rest >>= 1) ++header.bit_depth;
  return header;
}

}  // namespace retentive::datasets::detail
