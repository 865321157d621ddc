#include <tiffio.h>

#include <algorithm>
#include <memory>

#include <datasets/detail/row_formats.h>
#include <datasets/detail/tiff_file.h>

namespace retentive::datasets::detail {

namespace {

constexpr uint64_t kMaxStripBytes = uint64_t{64} << 20;  // libtiff holds a compressed strip whole
constexpr uint64_t kBestRatio = 4096;                    // of LZW, the best of those accepted

template <class Value>
Value field(TIFF* tiff, uint32_t tag, Value absent) {
  Value value{};
  return TIFFGetFieldDefaulted(tiff, tag, &value) ? value : absent;
}

struct TiffLayout {
  int64_t height = 0;
  int64_t width = 0;
  int64_t samples = 0;
  int64_t rows_per_strip = 0;
  uint16_t compression = 0;

  uint64_t row_bytes() const { return static_cast<uint64_t>(width * samples); }
  bool plain() const { return compression == COMPRESSION_NONE; }
  uint64_t rows_of(int64_t strip) const { return std::min(rows_per_strip, height - strip * rows_per_strip); }
};

TiffLayout read_layout(TIFF* tiff) {
  TiffLayout layout;
  layout.height = field<uint32_t>(tiff, TIFFTAG_IMAGELENGTH, 0);
  layout.width = field<uint32_t>(tiff, TIFFTAG_IMAGEWIDTH, 0);
  layout.samples = field<uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
  layout.rows_per_strip = std::min<int64_t>(field<uint32_t>(tiff, TIFFTAG_ROWSPERSTRIP, UINT32_MAX), layout.height);
  layout.compression = field<uint16_t>(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE);
  return layout;
}

bool is_streamed_compression(uint16_t compression) {
  switch (compression) {
    case COMPRESSION_NONE:
      return true;
    case COMPRESSION_LZW:
    case COMPRESSION_PACKBITS:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:
      return TIFFIsCODECConfigured(compression) != 0;
    default:
      return false;
  }
}

/// Why a TIFF cannot be read in rows; empty when it can.
std::string unusual(TIFF* tiff, const TiffLayout& layout) {
  const auto number = [&](uint32_t tag, uint16_t absent) { return field<uint16_t>(tiff, tag, absent); };
  const auto of = [](const char* what, int value) { return what + std::to_string(value); };
  if (TIFFIsTiled(tiff)) return "the TIFF is tiled";
  if (number(TIFFTAG_ORIENTATION, 1) != 1) return of("its TIFF orientation is ", number(TIFFTAG_ORIENTATION, 1));
  if (number(TIFFTAG_BITSPERSAMPLE, 1) != 8) return of("bits per sample: ", number(TIFFTAG_BITSPERSAMPLE, 1));
  if (number(TIFFTAG_SAMPLEFORMAT, 1) != SAMPLEFORMAT_UINT) return "its samples are not unsigned";
  const int colours = number(TIFFTAG_PHOTOMETRIC, 99);
  const bool grey = colours == PHOTOMETRIC_MINISBLACK && layout.samples == 1;
  const bool rgb = colours == PHOTOMETRIC_RGB && layout.samples == 3;
  if (!grey && !rgb)
    return of("colour kind ", colours) + of(" with samples per pixel: ", static_cast<int>(layout.samples));
  if (number(TIFFTAG_PLANARCONFIG, 1) != PLANARCONFIG_CONTIG) return "its colours lie in planes apart";
  if (number(TIFFTAG_FILLORDER, 1) != FILLORDER_MSB2LSB) return "its bits are stored in reverse";
  if (!is_streamed_compression(layout.compression)) return of("TIFF compression ", layout.compression);
  if (layout.height > INT32_MAX || layout.width > INT32_MAX) return "a side is longer than 2147483647 pixels";
  if (layout.height == 0 || layout.width == 0 || layout.rows_per_strip == 0) return "its size is zero";
  return {};
}

/// Checks all strips against the file; says why one is too large, or nothing.
std::string check_strips(TIFF* tiff, const TiffLayout& layout, const std::filesystem::path& path, uint64_t size) {
  const int64_t strips = (layout.height + layout.rows_per_strip - 1) / layout.rows_per_strip;
  for (int64_t i = 0; i < strips; ++i) {
    const uint64_t begin = TIFFGetStrileOffset(tiff, static_cast<uint32_t>(i));
    const uint64_t bytes = TIFFGetStrileByteCount(tiff, static_cast<uint32_t>(i));
    const uint64_t rows = layout.rows_of(i);
    const bool inside = begin <= size && bytes <= size - begin;
    if (!inside || (layout.plain() && bytes / layout.row_bytes() < rows)) {
      fail_row(path, i * layout.rows_per_strip, layout.height, "a strip is too short or ends beyond the file");
    }
    if (layout.plain()) continue;
    if (bytes > kMaxStripBytes) return "a compressed strip has " + std::to_string(bytes) + " bytes";
    check_ratio(path, bytes, rows, layout.row_bytes(), kBestRatio);
  }
  return {};
}

class TiffRows final : public vision::RowSource {
 public:
  TiffRows(const std::filesystem::path& path, const TiffLayout& layout, std::unique_ptr<TiffFile> file)
      : RowSource(layout.height, layout.width, 3), path_(path), layout_(layout), file_(std::move(file)) {}

 private:
  void read_rows(int64_t rows, uint8_t* out) override {
    for (int64_t i = 0; i < rows; ++i, out += width() * 3) {
      uint8_t* const values = out + width() * (3 - layout_.samples);  // grey: spreading it overwrites no unread value
      const int64_t row = next_row() + i;
      if (!(layout_.plain() ? copy_row(row, values) : decode_row(row, values))) {
        fail_row(path_, row, height(), file_->message());
      }
      if (values != out) spread_grey(values, width(), out);
    }
  }

  bool decode_row(int64_t row, uint8_t* out) {
    return TIFFReadScanline(file_->get(), out, static_cast<uint32_t>(row), 0) == 1;
  }

  // libtiff would hold a whole strip, and there may be but one.
  bool copy_row(int64_t row, uint8_t* out) {
    const int64_t in_strip = row % layout_.rows_per_strip;
    const uint64_t begin = TIFFGetStrileOffset(file_->get(), static_cast<uint32_t>(row / layout_.rows_per_strip));
    const auto count = static_cast<size_t>(layout_.row_bytes());
    return file_->read(begin + static_cast<uint64_t>(in_strip) * count, out, count);
  }

  std::filesystem::path path_;
  TiffLayout layout_;
  std::unique_ptr<TiffFile> file_;
};

}  // namespace

OpenedRows open_tiff_rows(const std::filesystem::path& path) {
  auto file = std::make_unique<TiffFile>(ByteReader(path));
  TIFF* const tiff = file->get();
  if (!tiff) return {nullptr, false, std::string("libtiff does not open it: ") + file->message()};
  const TiffLayout layout = read_layout(tiff);
  std::string reason = unusual(tiff, layout);
  if (reason.empty()) reason = check_strips(tiff, layout, path, file->size());
  if (reason.empty() && TIFFScanlineSize64(tiff) != layout.row_bytes()) reason = "libtiff counts other rows";
  if (!reason.empty()) return {nullptr, false, std::move(reason)};
  return {std::make_unique<TiffRows>(path, layout, std::move(file)), true, {}};
}

}  // namespace retentive::datasets::detail
