#include <zlib.h>

#include <algorithm>
#include <set>

#include <datasets/detail/header_formats.h>
#include <datasets/detail/integrity.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

constexpr int kMaxScans = 128;

[[noreturn]] void cut_short(ByteReader& reader, const std::string& what) {
  reader.fail("is truncated: " + what + "; replace it by a complete copy");
}

// Entropy-coded data ends at the first marker that is neither a stuffed byte nor a restart marker.
size_t skip_scan(std::span<const uint8_t> bytes, size_t position) {
  while (position + 1 < bytes.size()) {
    const uint8_t next = bytes[position + 1];
    if (bytes[position] == 0xff && next != 0 && next != 0xff && (next < 0xd0 || next > 0xd7)) return position;
    ++position;
  }
  return bytes.size();
}

/// Bits that any Huffman-coded frame needs: one per block and component, for the coefficient that no scan may omit.
uint64_t least_bits(ByteReader& reader, size_t frame) {
  const uint64_t height = reader.u16(frame + 5, false), width = reader.u16(frame + 7, false);
  const uint8_t components = reader.u8(frame + 9);
  uint64_t high = 1, wide = 1;
  for (uint8_t i = 0; i < components; ++i) {
    const uint8_t sampling = reader.u8(frame + 11 + 3 * size_t{i});
    wide = std::max<uint64_t>(wide, sampling >> 4);
    high = std::max<uint64_t>(high, sampling & 15);
  }
  return (width + 8 * wide - 1) / (8 * wide) * ((height + 8 * high - 1) / (8 * high)) * components;
}

void check_jpeg(std::span<const uint8_t> bytes, ByteReader& reader) {
  size_t position = 2;
  int scans = 0;
  uint64_t needed = 0, coded = 0;
  std::set<uint8_t> missing;  // components without a scan so far
  while (position + 1 < bytes.size()) {
    const uint8_t marker = bytes[position + 1];
    if (bytes[position] != 0xff || marker == 0xff || marker == 0) {
      ++position;  // fill bytes and padding between segments
    } else if (marker == 0xd9) {
      if (scans == 0) cut_short(reader, "the JPEG holds no image data");
      if (coded * 8 < needed) cut_short(reader, "the JPEG holds too little data for its size");
      return;
    } else if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      position += 2;
    } else {
      if (marker >= 0xc0 && marker <= 0xc2) {
        needed = least_bits(reader, position);
        for (uint8_t i = 0; i < reader.u8(position + 9); ++i) missing.insert(reader.u8(position + 10 + 3 * size_t{i}));
      }
      for (uint8_t i = 0; marker == 0xda && i < reader.u8(position + 4); ++i) {
        missing.erase(reader.u8(position + 5 + 2 * size_t{i}));
      }
      position += 2 + size_t{reader.u16(position + 2, false)};
      if (marker != 0xda) continue;
      if (++scans > kMaxScans) {
        reader.fail("has more than " + std::to_string(kMaxScans) + " JPEG scans; save it anew as a plain JPEG");
      }
      const size_t end = skip_scan(bytes, position);
      coded += end - std::min(position, end);
      position = end;
    }
  }
  // Without an end marker the decoder has to find the data complete.
  if (scans == 0 || !missing.empty()) cut_short(reader, "the JPEG stream has no end-of-image marker");
}

void check_png(std::span<const uint8_t> bytes, ByteReader& reader) {
  size_t position = 8;
  bool has_data = false;
  while (true) {
    if (bytes.size() - position < 12) cut_short(reader, "the PNG has no end chunk");
    const uint32_t length = reader.u32(position, false);
    if (length > bytes.size() - position - 12) cut_short(reader, "a PNG chunk reaches beyond the end of the file");
    const uint8_t* type = bytes.data() + position + 4;
    const bool critical = (type[0] & 0x20) == 0;
    if (critical && crc32(0, type, length + 4) != reader.u32(position + 8 + length, false)) {
      reader.fail("is a damaged PNG: wrong checksum in the chunk at byte " + std::to_string(position) +
                  "; replace it by an intact copy");
    }
    has_data = has_data || reader.matches(position + 4, "IDAT", 4);
    if (reader.matches(position + 4, "IEND", 4)) break;
    position += 12 + size_t{length};
  }
  if (!has_data) cut_short(reader, "the PNG holds no image data");
}

void check_webp(std::span<const uint8_t> bytes, ByteReader& reader) {
  const uint64_t declared = uint64_t{reader.u32(4, true)} + 8;
  if (declared > bytes.size()) {
    cut_short(reader, "the WebP declares " + std::to_string(declared) + " bytes but the file has " +
                          std::to_string(bytes.size()));
  }
}

void check_bmp(std::span<const uint8_t> bytes, const ImageHeader& header, ByteReader& reader) {
  const bool core = reader.u32(14, true) == 12;
  const uint64_t bits = reader.u16(core ? 24 : 28, true);
  const uint32_t compression = core ? 0 : reader.u32(30, true);
  if (compression != 0 && compression != 3 && compression != 6)
    return;  // run lengths: the decoder sees a missing end itself
  const uint64_t row = (static_cast<uint64_t>(header.width) * bits + 31) / 32 * 4;
  const uint64_t needed = reader.u32(10, true) + row * static_cast<uint64_t>(header.height);
  if (needed > bytes.size()) {
    cut_short(reader,
              "the BMP needs " + std::to_string(needed) + " bytes but the file has " + std::to_string(bytes.size()));
  }
}

void check_pnm(std::span<const uint8_t> bytes, ByteReader& reader) {
  const PnmLayout layout = read_pnm_layout(reader);
  const uint64_t samples = static_cast<uint64_t>(layout.width) * (layout.kind % 3 == 0 ? 3 : 1);
  uint64_t row = samples * (layout.max_value > 255 ? 2 : 1);
  if (layout.kind == 4) row = (samples + 7) / 8;
  if (layout.kind < 4) row = samples;  // text: a digit at least
  if (row * static_cast<uint64_t>(layout.height) > bytes.size() - layout.data) {
    cut_short(reader, "the PNM needs " + std::to_string(row * layout.height) + " bytes of pixels but holds " +
                          std::to_string(bytes.size() - layout.data));
  }
}

void check_tiff_parts(ByteReader& reader, const TiffDirectory& directory, uint16_t offsets_tag, uint16_t counts_tag) {
  const TiffEntry* offsets = directory.find(offsets_tag);
  const TiffEntry* counts = directory.find(counts_tag);
  if (!offsets || !counts) return;
  for (uint64_t i = 0; i < offsets->count && i < counts->count; ++i) {
    const uint64_t begin = tiff_value(reader, directory, *offsets, i).value_or(0);
    const uint64_t length = tiff_value(reader, directory, *counts, i).value_or(0);
    if (begin > reader.size() || length > reader.size() - begin)
      cut_short(reader, "TIFF strip " + std::to_string(i) + " ends beyond the file");
  }
}

void check_tiff(const ImageHeader& header, ByteReader& reader) {
  if (header.bit_depth > 16) {
    reader.fail("is a TIFF of " + std::to_string(header.bit_depth) +
                " bits per channel; 1 to 16 are accepted: " + "convert it to PNG");
  }
  const TiffDirectory directory = read_tiff_directory(reader, 0);
  const TiffEntry* entry = directory.find(262);
  const uint64_t colours = entry ? tiff_value(reader, directory, *entry, 0).value_or(99) : 99;
  if (colours > 6 || colours == 4) {
    reader.fail("is a TIFF of colour kind (photometric interpretation) " + std::to_string(colours) +
                "; grey, RGB, palette, CMYK and YCbCr (0 to 3, 5, 6) are accepted: convert it to PNG");
  }
  check_tiff_parts(reader, directory, 273, 279);
  check_tiff_parts(reader, directory, 324, 325);
}

}  // namespace

void check_complete(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name) {
  ByteReader reader(bytes, name);
  switch (header.format) {
    case ImageFormat::jpeg:
      return check_jpeg(bytes, reader);
    case ImageFormat::png:
      return check_png(bytes, reader);
    case ImageFormat::webp:
      return check_webp(bytes, reader);
    case ImageFormat::gif:
      return;  // its decoder sees a missing end itself
    case ImageFormat::bmp:
      return check_bmp(bytes, header, reader);
    case ImageFormat::pnm:
      return check_pnm(bytes, reader);
    case ImageFormat::tiff:
      return check_tiff(header, reader);
  }
}

}  // namespace retentive::datasets::detail
