#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <optional>
#include <vector>

#include <datasets/detail/alpha_survey.h>
#include <datasets/detail/byte_reader.h>
#include <datasets/detail/decoders.h>
#include <datasets/detail/row_formats.h>
#include <datasets/notes.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

constexpr uint64_t kDeflateRatio = 1032;  // a match of 258 bytes takes two bits at least

/// libpng behind calls that return false on an error. It leaves by longjmp to the call that entered it: neither those
/// calls nor the callbacks hold anything with a destructor, and what must survive are members.
class PngDecoder {
 public:
  explicit PngDecoder(ByteReader reader) : reader_(std::move(reader)) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_) info_ = png_create_info_struct(png_);
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw DataError("[image] libpng cannot start; check that its headers match the library, and free memory");
    }
  }
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  const char* message() const { return message_; }
  int64_t row() const { return row_; }
  bool has_alpha() const { return has_alpha_; }

  /// Reads all that stands before the pixels and asks for 8-bit RGB, or RGBA where there is transparency to keep.
  bool start(bool keep_alpha) {
    if (setjmp(way_out_)) return false;
    png_set_read_fn(png_, this, on_read);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_read_info(png_, info_);
    has_alpha_ = (png_get_color_type(png_, info_) & PNG_COLOR_MASK_ALPHA) || png_get_valid(png_, info_, PNG_INFO_tRNS);
    png_set_strip_16(png_);
    if (png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (png_get_bit_depth(png_, info_) < 8) png_set_expand_gray_1_2_4_to_8(png_);
    if (keep_alpha && has_alpha_) png_set_tRNS_to_alpha(png_);
    png_set_gray_to_rgb(png_);
    if (!keep_alpha) png_set_strip_alpha(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    channels_ = keep_alpha && has_alpha_ ? 4 : 3;
    return true;
  }

  int channels() const { return channels_; }
  bool has_shape(int64_t height, int64_t width) const {
    return png_get_image_height(png_, info_) == height && png_get_image_width(png_, info_) == width &&
           png_get_rowbytes(png_, info_) == static_cast<size_t>(width * channels_);
  }

  /// Rows up to `end` (exclusive); after the last one also what follows the pixels. Not for interlaced pictures.
  bool read_until(int64_t end, int64_t height, uint8_t* out) {
    if (setjmp(way_out_)) return false;
    const int64_t first = row_;
    const size_t row_bytes = png_get_rowbytes(png_, info_);
    for (; row_ < end; ++row_) png_read_row(png_, out + (row_ - first) * row_bytes, nullptr);
    if (row_ == height) png_read_end(png_, nullptr);
    return true;
  }

  /// The whole picture, interlaced or not.
  bool read_all(int64_t height, uint8_t* out) {
    if (setjmp(way_out_)) return false;
    const size_t row_bytes = png_get_rowbytes(png_, info_);
    for (pass_ = 0; pass_ < passes_; ++pass_) {
      for (row_ = 0; row_ < height; ++row_) png_read_row(png_, out + row_ * row_bytes, nullptr);
    }
    png_read_end(png_, nullptr);
    return true;
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::snprintf(self->message_, sizeof(self->message_), "%s", message);
    std::longjmp(self->way_out_, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void on_read(png_structp png, png_bytep out, size_t count) {
    auto* self = static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (self->reader_.copy(self->position_, out, count) != count) png_error(png, "the file ends or cannot be read");
    self->position_ += count;
  }

  ByteReader reader_;
  uint64_t position_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int64_t row_ = 0;
  int passes_ = 1, pass_ = 0, channels_ = 3;
  bool has_alpha_ = false;
  std::jmp_buf way_out_;
  char message_[160] = "";
};

bool is_animated(ByteReader& reader) {
  uint64_t position = 8;
  while (position + 12 <= reader.size() && !reader.matches(position + 4, "IDAT", 4)) {
    if (reader.matches(position + 4, "acTL", 4)) return true;
    position += 12 + uint64_t{reader.u32(position, false)};
  }
  return false;
}

const char* const kAnimated = "is an animated PNG; its first frame was read";

class PngRows final : public vision::RowSource {
 public:
  PngRows(const std::filesystem::path& path, const ImageHeader& header, std::optional<uint8_t> background)
      : RowSource(header.height, header.width, 3), path_(path), background_(background), decoder_(ByteReader(path)) {
    if (!decoder_.start(background.has_value())) fail_row(path_, 0, height(), decoder_.message());
    if (!decoder_.has_shape(height(), width())) fail_row(path_, 0, height(), "its size changed while it was opened");
    if (background_) row_.resize(static_cast<size_t>(4 * width()));
  }

 private:
  void read_rows(int64_t rows, uint8_t* out) override {
    if (!background_) {
      if (!decoder_.read_until(next_row() + rows, height(), out)) fail();
      return;
    }
    for (int64_t i = 0; i < rows; ++i, out += 3 * width()) {
      if (!decoder_.read_until(next_row() + i + 1, height(), row_.data())) fail();
      for (int64_t x = 0; x < width(); ++x) {
        compose(row_.data() + 4 * x, row_[4 * x + 3], *background_, out + 3 * x);
      }
    }
  }
  [[noreturn]] void fail() const {
    fail_row(path_, std::min(decoder_.row(), height() - 1), height(), decoder_.message());
  }

  std::filesystem::path path_;
  std::optional<uint8_t> background_;
  PngDecoder decoder_;
  std::vector<uint8_t> row_;  ///< RGBA
};

/// Reads ahead until colours show something: in most pictures a few rows.
std::optional<uint8_t> find_background(const std::filesystem::path& path, const ImageHeader& header) {
  PngDecoder decoder{ByteReader(path)};
  if (!decoder.start(true) || !decoder.has_alpha() || !decoder.has_shape(header.height, header.width)) return {};
  AlphaSurvey survey;
  std::vector<uint8_t> row(static_cast<size_t>(4 * header.width));
  for (int64_t y = 0; y < header.height && !survey.has_colours(); ++y) {
    if (!decoder.read_until(y + 1, header.height, row.data())) break;  // who reads that row learns of the damage
    for (int64_t x = 0; x < header.width; ++x) survey.add(row.data() + 4 * x, row[4 * x + 3]);
  }
  return survey.background();
}

}  // namespace

OpenedRows open_png_rows(const std::filesystem::path& path, const ImageHeader& header) {
  constexpr uint64_t kInterlaceByte = 28;
  ByteReader reader(path);
  if (reader.u8(kInterlaceByte) != 0) return {nullptr, false, "the PNG is interlaced"};
  const auto bits = static_cast<uint64_t>(header.width) * header.channels * header.bit_depth;
  check_ratio(path, reader.size(), header.height, (bits + 7) / 8 + 1, kDeflateRatio);
  const auto background = find_background(path, header);
  OpenedRows opened{std::make_unique<PngRows>(path, header, background), true, {}};
  if (background) give_note(path.string(), AlphaSurvey::note(*background));
  if (is_animated(reader)) give_note(path.string(), kAnimated);
  return opened;
}

Decoded decode_png(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name) {
  ByteReader reader(bytes, name);
  PngDecoder decoder{ByteReader(bytes, name)};
  const auto require = [&](bool good) {
    if (!good) reader.fail(std::string("is a damaged PNG: ") + decoder.message() + "; replace it by an intact copy");
  };
  require(decoder.start(true) && decoder.has_shape(header.height, header.width));
  Decoded decoded = make_decoded(header, decoder.has_alpha());
  if (decoder.has_alpha()) {
    std::vector<uint8_t> rgba(static_cast<size_t>(4 * header.width * header.height));
    require(decoder.read_all(header.height, rgba.data()));
    split_rgba(rgba.data(), decoded);
  } else {
    require(decoder.read_all(header.height, decoded.colour.pixels.data()));
  }
  if (is_animated(reader)) decoded.notes.push_back(kAnimated);
  return decoded;
}

}  // namespace retentive::datasets::detail
