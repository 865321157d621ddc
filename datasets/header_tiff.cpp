#include <algorithm>

#include <datasets/detail/header_formats.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

constexpr uint16_t kMaxEntries = 4096;
constexpr uint16_t kTagWidth = 256, kTagHeight = 257, kTagBits = 258, kTagOrientation = 274, kTagSamples = 277;

uint32_t type_size(uint16_t type) {
  constexpr uint32_t kSizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8};
  return type < std::size(kSizes) ? kSizes[type] : 0;
}

int orientation_of(ByteReader& reader, const TiffDirectory& directory) {
  const TiffEntry* entry = directory.find(kTagOrientation);
  const auto value = entry ? tiff_value(reader, directory, *entry, 0) : std::nullopt;
  return value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
}

}  // namespace

const TiffEntry* TiffDirectory::find(uint16_t tag) const {
  const auto found = std::find_if(entries.begin(), entries.end(), [tag](const TiffEntry& e) { return e.tag == tag; });
  return found == entries.end() ? nullptr : &*found;
}

std::optional<uint32_t> tiff_value(ByteReader& reader, const TiffDirectory& directory, const TiffEntry& entry,
                                   uint32_t index) {
  if (index >= entry.count) return std::nullopt;
  const uint64_t position = entry.position + uint64_t{index} * type_size(entry.type);
  if (entry.type == 1) return reader.u8(position);
  if (entry.type == 3) return reader.u16(position, directory.little);
  if (entry.type == 4) return reader.u32(position, directory.little);
  return std::nullopt;
}

TiffDirectory read_tiff_directory(ByteReader& reader, uint64_t begin) {
  TiffDirectory directory;
  directory.little = reader.u8(begin) == 'I';
  const bool little = directory.little;
  if (reader.u16(begin + 2, little) != 42) reader.fail("has a damaged TIFF header; replace it by an intact copy");
  const uint64_t start = begin + reader.u32(begin + 4, little);
  const uint16_t count = reader.u16(start, little);
  if (count > kMaxEntries) {
    reader.fail("has a TIFF directory of " + std::to_string(count) + " entries; at most " +
                std::to_string(kMaxEntries) + " are accepted; replace the file");
  }
  for (uint16_t i = 0; i < count; ++i) {
    const uint64_t at = start + 2 + 12 * uint64_t{i};
    TiffEntry entry{reader.u16(at, little), reader.u16(at + 2, little), reader.u32(at + 4, little), at + 8};
    if (uint64_t{entry.count} * type_size(entry.type) > 4) entry.position = begin + reader.u32(at + 8, little);
    directory.entries.push_back(entry);
  }
  return directory;
}

int read_exif_orientation(ByteReader& reader, uint64_t begin, uint64_t end) {
  if (end > reader.size() || begin + 14 > end) return 1;
  if (!reader.matches(begin, "II", 2) && !reader.matches(begin, "MM", 2)) return 1;
  try {
    return orientation_of(reader, read_tiff_directory(reader, begin));
  } catch (const DataError&) {
    return 1;  // viewers show a picture with damaged metadata as it is stored
  }
}

ImageHeader read_tiff_header(ByteReader& reader) {
  const TiffDirectory directory = read_tiff_directory(reader, 0);
  const auto number = [&](uint16_t tag, uint32_t absent) {
    const TiffEntry* entry = directory.find(tag);
    return entry ? tiff_value(reader, directory, *entry, 0).value_or(0) : absent;
  };
  ImageHeader header{.format = ImageFormat::tiff, .width = number(kTagWidth, 0), .height = number(kTagHeight, 0)};
  header.channels = static_cast<int>(std::min<uint32_t>(number(kTagSamples, 1), 1 << 16));
  header.bit_depth = static_cast<int>(std::min<uint32_t>(number(kTagBits, 1), 1 << 16));
  header.orientation = orientation_of(reader, directory);
  return header;
}

}  // namespace retentive::datasets::detail
