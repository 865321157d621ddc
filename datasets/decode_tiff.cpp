#include <tiffio.h>

#include <algorithm>

#include <datasets/detail/decoders.h>
#include <datasets/detail/row_formats.h>
#include <datasets/detail/tiff_file.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

constexpr int kMaxSamples = 16;

template <class Value>
Value field(TIFF* tiff, uint32_t tag, Value absent) {
  Value value{};
  return TIFFGetFieldDefaulted(tiff, tag, &value) ? value : absent;
}

/// Samples of `bits` bits from the first bit on, as 8-bit values; those of a palette as they are.
void unpack(const uint8_t* in, int bits, int64_t count, bool indices, uint8_t* out) {
  const uint32_t largest = (1u << bits) - 1;
  uint32_t held = 0;
  int available = 0;
  for (int64_t i = 0; i < count; ++i, ++out) {
    if (bits == 16) {  // libtiff gives these in the machine's own order
      *out = reinterpret_cast<const uint16_t*>(in)[i] >> 8;
      continue;
    }
    for (; available < bits; available += 8) held = held << 8 | *in++;
    available -= bits;
    const uint32_t value = held >> available & largest;
    *out = indices ? static_cast<uint8_t>(value) : to_byte(value, largest);
  }
}

/// Grey, RGB, palette and CMYK of 1 to 16 bits, in strips or tiles, in one plane or several; YCbCr through libtiff.
class TiffDecoder {
 public:
  TiffDecoder(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name)
      : name_(name), reader_(bytes, name), file_(ByteReader(bytes, name)), tiff_(file_.get()), header_(header) {
    if (!tiff_) fail();
    if (field<uint32_t>(tiff_, TIFFTAG_IMAGEWIDTH, 0) != header.width ||
        field<uint32_t>(tiff_, TIFFTAG_IMAGELENGTH, 0) != header.height) {
      reader_.fail("is a damaged TIFF: its header gives two sizes; replace it");
    }
    colours_ = field<uint16_t>(tiff_, TIFFTAG_PHOTOMETRIC, 99);
    samples_ = field<uint16_t>(tiff_, TIFFTAG_SAMPLESPERPIXEL, 1);
    bits_ = field<uint16_t>(tiff_, TIFFTAG_BITSPERSAMPLE, 1);
    planar_ = field<uint16_t>(tiff_, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE;
    tiled_ = TIFFIsTiled(tiff_);
    check_kind();
  }

  Decoded run() {
    const bool through_libtiff = colours_ == PHOTOMETRIC_YCBCR;
    decoded_ = make_decoded(header_, !through_libtiff && has_alpha());
    if (through_libtiff) {
      read_rgba();
    } else {
      if (colours_ == PHOTOMETRIC_PALETTE) read_palette();
      read_bands();
    }
    if (!TIFFLastDirectory(tiff_)) decoded_.notes.push_back("holds more than one image; the first was read");
    return std::move(decoded_);
  }

 private:
  [[noreturn]] void fail() const {
    reader_.fail(std::string("is a damaged or unusual TIFF: ") + file_.message() + "; replace it or save it as PNG");
  }
  [[noreturn]] void refuse(const std::string& kind, const std::string& accepted) const {
    reader_.fail("is a TIFF of " + kind + "; " + accepted + " accepted: convert it to PNG");
  }

  int colour_samples() const { return colours_ == PHOTOMETRIC_RGB ? 3 : colours_ == PHOTOMETRIC_SEPARATED ? 4 : 1; }
  int used_samples() const { return std::min(samples_, colour_samples() + 1); }

  void check_kind() const {
    const int format = field<uint16_t>(tiff_, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
    if (format == SAMPLEFORMAT_IEEEFP) refuse("floating-point samples", "unsigned integers are");
    if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID) refuse("signed samples", "unsigned ones are");
    if (bits_ < 1 || bits_ > 16) refuse(std::to_string(bits_) + " bits per channel", "1 to 16 are");
    if (samples_ > kMaxSamples || samples_ < colour_samples()) {
      refuse(std::to_string(samples_) + " samples per pixel",
             std::to_string(colour_samples()) + " to " + std::to_string(kMaxSamples) + " are");
    }
    if (colours_ == PHOTOMETRIC_PALETTE && bits_ > 8) refuse("a palette of more than 8 bits", "up to 8 bits are");
    if (colours_ == PHOTOMETRIC_SEPARATED && field<uint16_t>(tiff_, TIFFTAG_INKSET, INKSET_CMYK) != INKSET_CMYK) {
      refuse("inks other than CMYK", "CMYK is");
    }
    const int compression = field<uint16_t>(tiff_, TIFFTAG_COMPRESSION, COMPRESSION_NONE);
    if (!TIFFIsCODECConfigured(static_cast<uint16_t>(compression))) {
      refuse("compression " + std::to_string(compression), "those that libtiff was built with are");
    }
  }

  /// What the sample behind the colours means: 0 = unknown, 1 = alpha the colours are multiplied with, 2 = alpha.
  int extra_kind() const {
    uint16_t count = 0;
    uint16_t* kinds = nullptr;
    return TIFFGetFieldDefaulted(tiff_, TIFFTAG_EXTRASAMPLES, &count, &kinds) && count > 0 ? kinds[0] : 0;
  }
  bool has_alpha() const {
    const bool only_one = samples_ == colour_samples() + 1;
    return samples_ > colour_samples() && (extra_kind() != 0 || (only_one && colours_ != PHOTOMETRIC_SEPARATED));
  }

  void read_rgba() {
    char message[1024] = "";
    TIFFRGBAImage image;
    if (!TIFFRGBAImageOK(tiff_, message)) refuse("an unusual kind (" + std::string(message) + ")", "others are");
    if (!TIFFRGBAImageBegin(&image, tiff_, 1, message)) fail();
    image.req_orientation = image.orientation;  // as stored
    std::vector<uint32_t> raster(static_cast<size_t>(header_.width * header_.height));
    const int good = TIFFRGBAImageGet(&image, raster.data(), image.width, image.height);
    TIFFRGBAImageEnd(&image);
    if (!good) fail();
    uint8_t* out = decoded_.colour.pixels.data();
    for (const uint32_t pixel : raster) {
      *out++ = TIFFGetR(pixel), *out++ = TIFFGetG(pixel), *out++ = TIFFGetB(pixel);
    }
  }

  void read_bands() {
    const auto strip = std::min<int64_t>(field<uint32_t>(tiff_, TIFFTAG_ROWSPERSTRIP, UINT32_MAX), header_.height);
    const int64_t rows = tiled_ ? field<uint32_t>(tiff_, TIFFTAG_TILELENGTH, 0) : strip;
    const int64_t columns = tiled_ ? field<uint32_t>(tiff_, TIFFTAG_TILEWIDTH, 0) : header_.width;
    if (rows < 1 || columns < 1) fail();
    for (int64_t y = 0; y < header_.height; y += rows) {
      const int64_t height = std::min(rows, header_.height - y);
      band_.resize(static_cast<size_t>(height * header_.width * used_samples()));
      for (int64_t x = 0; x < header_.width; x += columns) {
        for (int plane = 0; plane < (planar_ ? used_samples() : 1); ++plane) read_part(y, x, height, columns, plane);
      }
      put_band(y * header_.width, height * header_.width);
    }
  }

  void check_size(uint32_t part, uint64_t bytes) const {
    const int compression = field<uint16_t>(tiff_, TIFFTAG_COMPRESSION, COMPRESSION_NONE);
    const bool known = compression == COMPRESSION_NONE || compression == COMPRESSION_LZW ||
                       compression == COMPRESSION_PACKBITS || compression == COMPRESSION_DEFLATE ||
                       compression == COMPRESSION_ADOBE_DEFLATE || compression == COMPRESSION_JPEG;
    constexpr uint64_t kBestRatio = 4096;  // of LZW, the best of those
    if (known) check_ratio(name_, TIFFGetStrileByteCount(tiff_, part), 1, bytes, kBestRatio);
  }

  /// The strip or tile at (y, x) into the band.
  void read_part(int64_t y, int64_t x, int64_t height, int64_t columns, int plane) {
    const auto row = static_cast<uint32_t>(y), column = static_cast<uint32_t>(x);
    const auto sample = static_cast<uint16_t>(plane);
    const uint32_t part =
        tiled_ ? TIFFComputeTile(tiff_, column, row, 0, sample) : TIFFComputeStrip(tiff_, row, sample);
    const tmsize_t bytes = tiled_ ? TIFFTileSize(tiff_) : TIFFVStripSize(tiff_, static_cast<uint32_t>(height));
    const int64_t row_bytes = tiled_ ? TIFFTileRowSize(tiff_) : TIFFScanlineSize(tiff_);
    const int in_part = planar_ ? 1 : samples_, used = used_samples();
    if (bytes <= 0 || row_bytes * 8 < columns * in_part * bits_ || row_bytes * height > bytes) fail();
    check_size(part, static_cast<uint64_t>(bytes));
    stored_.resize(static_cast<size_t>(bytes));
    const tmsize_t got = tiled_ ? TIFFReadEncodedTile(tiff_, part, stored_.data(), bytes)
                                : TIFFReadEncodedStrip(tiff_, part, stored_.data(), bytes);
    if (got < row_bytes * height) fail();
    const int64_t width = std::min(columns, header_.width - x);
    values_.resize(static_cast<size_t>(width * in_part));
    for (int64_t i = 0; i < height; ++i) {
      unpack(stored_.data() + i * row_bytes, bits_, width * in_part, colours_ == PHOTOMETRIC_PALETTE, values_.data());
      uint8_t* out = band_.data() + (i * header_.width + x) * used + plane;
      for (int64_t k = 0; k < width; ++k, out += used) {
        std::copy_n(values_.data() + k * in_part, planar_ ? 1 : used, out);
      }
    }
  }

  void put_band(int64_t first, int64_t count) {
    const bool multiplied = decoded_.has_alpha() && extra_kind() == EXTRASAMPLE_ASSOCALPHA;
    const uint8_t* in = band_.data();
    uint8_t* out = decoded_.colour.pixels.data() + 3 * first;
    for (int64_t i = 0; i < count; ++i, in += used_samples(), out += 3) {
      put_colour(in, out);
      if (!decoded_.has_alpha()) continue;
      const uint8_t alpha = in[colour_samples()];
      decoded_.alpha.pixels[first + i] = alpha;
      for (int c = 0; c < 3 && multiplied && alpha > 0; ++c) {
        out[c] = static_cast<uint8_t>(std::min(255, (out[c] * 255 + alpha / 2) / alpha));
      }
    }
  }

  void put_colour(const uint8_t* in, uint8_t* out) const {
    switch (colours_) {
      case PHOTOMETRIC_PALETTE:
        std::copy_n(palette_.data() + 3 * in[0], 3, out);
        return;
      case PHOTOMETRIC_RGB:
        std::copy_n(in, 3, out);
        return;
      case PHOTOMETRIC_SEPARATED:
        cmyk_to_rgb(in, out);
        return;
      default:
        std::fill_n(out, 3, colours_ == PHOTOMETRIC_MINISWHITE ? 255 - in[0] : in[0]);
    }
  }

  /// Entries have 16 bits; some writers use 8 of them.
  void read_palette() {
    uint16_t* channels[3] = {};
    if (!TIFFGetField(tiff_, TIFFTAG_COLORMAP, &channels[0], &channels[1], &channels[2])) fail();
    const int count = 1 << bits_;
    bool wide = false;
    for (const uint16_t* channel : channels) wide = wide || *std::max_element(channel, channel + count) > 255;
    for (int i = 0; i < count; ++i) {
      for (const uint16_t* channel : channels) palette_.push_back(wide ? channel[i] >> 8 : channel[i]);
    }
  }

  std::string name_;
  ByteReader reader_;
  TiffFile file_;
  TIFF* tiff_;
  ImageHeader header_;
  int colours_ = 0, samples_ = 1, bits_ = 1;
  bool planar_ = false, tiled_ = false;
  std::vector<uint8_t> palette_;  ///< RGB
  std::vector<uint8_t> stored_;   ///< a strip or tile
  std::vector<uint8_t> values_;   ///< a row of it, 8 bits a sample
  std::vector<uint8_t> band_;     ///< rows of the picture, [rows, width, used samples]
  Decoded decoded_;
};

}  // namespace

Decoded decode_tiff(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name) {
  return TiffDecoder(bytes, header, name).run();
}

}  // namespace retentive::datasets::detail
