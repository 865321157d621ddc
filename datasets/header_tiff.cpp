#include <algorithm>

#include <datasets/detail/header_formats.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

constexpr uint16_t kMaxEntries = 4096;
constexpr uint16_t kTagWidth = 256, kTagHeight = 257, kTagBits = 258, kTagOrientation = 274, kTagSamples = 277;

uint32_t type_size(uint16_t type) {
  constexpr uint32_t kSizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8};
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

std::optional<uint64_t> tiff_value(ByteReader& reader, const TiffDirectory& directory, const TiffEntry& entry,
                                   uint64_t index) {
  if (index >= entry.count) return std::nullopt;
  const uint64_t position = entry.position + index * type_size(entry.type);
  if (entry.type == 1) return reader.u8(position);
  if (entry.type == 3) return reader.u16(position, directory.little);
  if (entry.type == 4) return reader.u32(position, directory.little);
  if (entry.type == 16) return reader.u64(position, directory.little);
  return std::nullopt;
}

TiffDirectory read_tiff_directory(ByteReader& reader, uint64_t begin) {
  TiffDirectory directory;
  directory.little = reader.u8(begin) == 'I';
  const bool little = directory.little;
  const uint16_t version = reader.u16(begin + 2, little);
  const bool big = version == 43;
  if (version != 42 && !big) reader.fail("has a damaged TIFF header; replace it by an intact copy");
  const uint64_t word = big ? 8 : 4;  // bytes of an offset
  const auto number = [&](uint64_t at) -> uint64_t { return big ? reader.u64(at, little) : reader.u32(at, little); };
  const uint64_t start = begin + number(begin + word);
  const uint64_t count = big ? reader.u64(start, little) : reader.u16(start, little);
  if (count > kMaxEntries) {
    reader.fail("has a TIFF directory of " + std::to_string(count) + " entries; at most " +
                std::to_string(kMaxEntries) + " are accepted; replace the file");
  }
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = start + (big ? 8 + 20 * i : 2 + 12 * i);
    TiffEntry entry{reader.u16(at, little), reader.u16(at + 2, little), number(at + 4), at + 4 + word};
    const uint32_t size = type_size(entry.type);
    if (size > 0 && entry.count > word / size) entry.position = begin + number(at + 4 + word);
    directory.entries.push_back(entry);
  }
  return directory;
}

int read_exif_orientation(ByteReader& reader, uint64_t begin, uint64_t end) {
  if (reader.matches(begin, "Exif\0\0", 6)) begin += 6;
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
  const auto number = [&](uint16_t tag, uint32_t absent) -> int64_t {
    const TiffEntry* entry = directory.find(tag);
    if (!entry) return absent;
    return static_cast<int64_t>(std::min<uint64_t>(tiff_value(reader, directory, *entry, 0).value_or(0), UINT32_MAX));
  };
  ImageHeader header{.format = ImageFormat::tiff, .width = number(kTagWidth, 0), .height = number(kTagHeight, 0)};
  header.channels = static_cast<int>(std::min<int64_t>(number(kTagSamples, 1), 1 << 16));
  header.bit_depth = static_cast<int>(std::min<int64_t>(number(kTagBits, 1), 1 << 16));
  header.orientation = orientation_of(reader, directory);
  return header;
}

}  // namespace retentive::datasets::detail
