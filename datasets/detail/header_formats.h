#pragma once

#include <optional>
#include <vector>

#include <datasets/detail/byte_reader.h>
#include <datasets/image_header.h>

namespace retentive::datasets::detail {

ImageHeader read_jpeg_header(ByteReader& reader);
ImageHeader read_png_header(ByteReader& reader);
ImageHeader read_webp_header(ByteReader& reader);
ImageHeader read_gif_header(ByteReader& reader);
ImageHeader read_bmp_header(ByteReader& reader);
ImageHeader read_pnm_header(ByteReader& reader);
ImageHeader read_tiff_header(ByteReader& reader);

/// Orientation of an EXIF block [begin, end), a TIFF header with or without "Exif" before it; 1 when absent or damaged.
int read_exif_orientation(ByteReader& reader, uint64_t begin, uint64_t end);

/// One entry of a TIFF directory; `position` is where its first value lies.
struct TiffEntry {
  uint16_t tag;
  uint16_t type;
  uint64_t count;
  uint64_t position;
};

struct TiffDirectory {
  bool little = true;
  std::vector<TiffEntry> entries;

  const TiffEntry* find(uint16_t tag) const;
};

/// The first directory of a TIFF or BigTIFF stream at `begin`.
TiffDirectory read_tiff_directory(ByteReader& reader, uint64_t begin);

/// Value `index` of an entry of type BYTE, SHORT, LONG or LONG8; nothing for another type or beyond the count.
std::optional<uint64_t> tiff_value(ByteReader& reader, const TiffDirectory& directory, const TiffEntry& entry,
                                   uint64_t index);

/// Pixel data of a PNM file: where it begins, its kind (the digit after 'P') and largest value (1 for bitmaps).
struct PnmLayout {
  uint64_t data = 0;
  int kind = 0;
  int64_t width = 0;
  int64_t height = 0;
  int64_t max_value = 1;
};
PnmLayout read_pnm_layout(ByteReader& reader);

/// The next decimal number of at most `most_digits` digits behind blanks and comments; `position` moves behind it.
std::optional<uint32_t> read_pnm_number(ByteReader& reader, uint64_t& position, int most_digits);

}  // namespace retentive::datasets::detail
