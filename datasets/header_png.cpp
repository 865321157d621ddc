#include <zlib.h>

#include <charconv>
#include <sstream>

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

/// Text of a tEXt or zTXt chunk [begin, end) behind its keyword; empty when it is damaged or too long.
std::string chunk_text(ByteReader& reader, uint64_t begin, uint64_t end, bool compressed) {
  constexpr uint64_t kMaxText = 1 << 20;  // an EXIF block has 64 KiB at most, twice that in hexadecimal
  if (end - begin > kMaxText) return {};
  std::string stored(end - begin, '\0');
  reader.copy(begin, reinterpret_cast<uint8_t*>(stored.data()), stored.size());
  if (!compressed) return stored;
  if (stored.size() < 2 || stored[0] != 0) return {};
  std::string text(kMaxText, '\0');
  uLongf size = text.size();
  const int result = uncompress(reinterpret_cast<Bytef*>(text.data()), &size,
                                reinterpret_cast<const Bytef*>(stored.data()) + 1, stored.size() - 1);
  text.resize(result == Z_OK ? size : 0);
  return text;
}

/// ImageMagick 6's way to keep EXIF: a line with the name, one with the size, then hexadecimal digits in lines.
std::vector<uint8_t> raw_profile(const std::string& text) {
  std::istringstream lines(text);
  std::string name, digits, part;
  size_t size = 0;
  if (!std::getline(lines >> std::ws, name) || !(lines >> size)) return {};
  while (lines >> part) digits += part;
  if (digits.size() / 2 < size || size == 0) return {};
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < size; ++i) {
    uint8_t byte = 0;
    const auto [end, error] = std::from_chars(digits.data() + 2 * i, digits.data() + 2 * i + 2, byte, 16);
    if (error != std::errc() || end != digits.data() + 2 * i + 2) return {};
    bytes.push_back(byte);
  }
  return bytes;
}

int profile_orientation(ByteReader& reader, uint64_t begin, uint64_t end, bool compressed) {
  for (const std::string keyword : {"Raw profile type exif", "Raw profile type APP1", "Raw profile type app1"}) {
    if (end - begin < keyword.size() + 1 || !reader.matches(begin, keyword.c_str(), keyword.size() + 1)) continue;
    const auto profile = raw_profile(chunk_text(reader, begin + keyword.size() + 1, end, compressed));
    if (profile.empty()) return 1;
    ByteReader exif(profile, reader.name());
    return read_exif_orientation(exif, 0, profile.size());
  }
  return 1;
}

// EXIF may follow the pixel data, so the walk seeks over it; damage there is for the decoder to judge.
int find_orientation(ByteReader& reader) {
  uint64_t position = 8;
  int from_profile = 1;
  for (int chunk = 0; chunk < kMaxChunks && position + 12 <= reader.size(); ++chunk) {
    const uint64_t length = reader.u32(position, false);
    const uint64_t body = position + 8;
    if (length > reader.size() - body) break;
    if (reader.matches(position + 4, "eXIf", 4)) return read_exif_orientation(reader, body, body + length);
    const bool compressed = reader.matches(position + 4, "zTXt", 4);
    if (compressed || reader.matches(position + 4, "tEXt", 4)) {
      const int found = profile_orientation(reader, body, body + length, compressed);
      if (found != 1) from_profile = found;
    }
    if (reader.matches(position + 4, "IEND", 4)) break;
    position = body + length + 4;
  }
  return from_profile;
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
