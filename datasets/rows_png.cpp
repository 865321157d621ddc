#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <fstream>

#include <datasets/detail/byte_reader.h>
#include <datasets/detail/row_formats.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

constexpr uint64_t kDeflateRatio = 1032;  // a match of 258 bytes takes two bits at least

/// libpng behind calls that return false on an error. It leaves by longjmp to the call that entered it: neither those
/// calls nor the callbacks hold anything with a destructor, and what must survive are members.
class PngDecoder {
 public:
  explicit PngDecoder(std::ifstream file) : file_(std::move(file)) {
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

  /// Reads all that stands before the pixels and asks for 8-bit RGB.
  bool start() {
    if (setjmp(way_out_)) return false;
    png_set_read_fn(png_, this, on_read);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_read_info(png_, info_);
    png_set_strip_16(png_);
    if (png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (png_get_bit_depth(png_, info_) < 8) png_set_expand_gray_1_2_4_to_8(png_);
    png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool has_shape(int64_t height, int64_t width) const {
    return png_get_image_height(png_, info_) == height && png_get_image_width(png_, info_) == width &&
           png_get_rowbytes(png_, info_) == static_cast<size_t>(width) * 3;
  }

  /// Rows up to `end` (exclusive); after the last one also what follows the pixels.
  bool read_until(int64_t end, int64_t height, uint8_t* out) {
    if (setjmp(way_out_)) return false;
    const int64_t first = row_;
    const size_t row_bytes = png_get_rowbytes(png_, info_);
    for (; row_ < end; ++row_) png_read_row(png_, out + (row_ - first) * row_bytes, nullptr);
    if (row_ == height) png_read_end(png_, nullptr);
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
    if (!self->file_.read(reinterpret_cast<char*>(out), static_cast<std::streamsize>(count))) {
      png_error(png, "the file ends or cannot be read");
    }
  }

  std::ifstream file_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int64_t row_ = 0;
  std::jmp_buf way_out_;
  char message_[160] = "";
};

class PngRows final : public vision::RowSource {
 public:
  PngRows(const std::filesystem::path& path, const ImageHeader& header, std::ifstream file)
      : RowSource(header.height, header.width, 3), path_(path), decoder_(std::move(file)) {
    if (!decoder_.start()) fail_row(path_, 0, height(), decoder_.message());
    if (!decoder_.has_shape(height(), width())) fail_row(path_, 0, height(), "its size changed while it was opened");
  }

 private:
  void read_rows(int64_t rows, uint8_t* out) override {
    if (decoder_.read_until(next_row() + rows, height(), out)) return;
    fail_row(path_, std::min(decoder_.row(), height() - 1), height(), decoder_.message());
  }

  std::filesystem::path path_;
  PngDecoder decoder_;
};

}  // namespace

OpenedRows open_png_rows(const std::filesystem::path& path, const ImageHeader& header) {
  constexpr uint64_t kInterlaceByte = 28;
  ByteReader reader(path);
  if (reader.u8(kInterlaceByte) != 0) return {nullptr, false, "the PNG is interlaced"};
  const auto bits = static_cast<uint64_t>(header.width) * header.channels * header.bit_depth;
  check_ratio(path, reader.size(), header.height, (bits + 7) / 8 + 1, kDeflateRatio);
  uint64_t size = 0;
  return {std::make_unique<PngRows>(path, header, open_regular_file(path, "image", size)), true, {}};
}

}  // namespace retentive::datasets::detail
