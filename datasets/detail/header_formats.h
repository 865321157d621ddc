#pragma once

#include <optional>
#include <vector>

#include <datasets/detail/byte_reader.h>
#include <datasets/image_header.h>

namespace retentive::datasets::detail {

ImageHeader read_jpeg_header(ByteReader& reader);
ImageHeader read_png_header(ByteReader& reader);
ImageHeader read_webp_header(ByteReader& reader);
ImageHeader read_bmp_header(ByteReader& reader);
ImageHeader read_pnm_header(ByteReader& reader);
ImageHeader read_tiff_header(ByteReader& reader);

/// Orientation of an EXIF block [begin, end) that starts with a TIFF header; 1 when absent or damaged.
int read_exif_orientation(ByteReader& reader, uint64_t begin, uint64_t end);

/// One entry of a TIFF directory; `position` is where its first value lies.
struct TiffEntry {
  uint16_t tag;
  uint16_t type;
  uint32_t count;
  uint64_t position;
};

struct TiffDirectory {
  bool little = true;
  std::vector<TiffEntry> entries;

  const TiffEntry* find(uint16_t tag) const;
};

/// The first directory of a classic TIFF stream at `begin`.
TiffDirectory read_tiff_directory(ByteReader& reader, uint64_t begin);

/// Value `index` of an entry of type BYTE, SHORT or LONG; nothing for another type or beyond the count.
std::optional<uint32_t> tiff_value(ByteReader& reader, const TiffDirectory& directory, const TiffEntry& entry,
                                   uint32_t index);

/// Pixel data of a PNM file: where it begins, its kind (the digit after 'P') and largest value (1 for bitmaps).
struct PnmLayout {
  uint64_t data = 0;
  int kind = 0;
  int64_t width = 0;
  int64_t height = 0;
  int64_t max_value = 1;
};
PnmLayout read_pnm_layout(ByteReader& reader);

}  // namespace retentive::datasets::detail
