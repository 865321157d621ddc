#include <cstdio>

#include <jpeglib.h>

#include <jerror.h>

#include <csetjmp>

#include <datasets/detail/byte_reader.h>
#include <datasets/detail/decoders.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

/// libjpeg behind calls that return false on an error. It leaves by longjmp to the call that entered it, which holds
/// nothing with a destructor.
class JpegDecoder {
 public:
  JpegDecoder() {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    errors_.output_message = [](j_common_ptr) {};
    if (setjmp(way_out_) == 0) jpeg_create_decompress(&info_);
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  const char* message() const { return message_; }
  bool is_cmyk() const { return info_.out_color_space == JCS_CMYK; }
  bool inverted() const { return info_.saw_Adobe_marker; }
  bool no_end() const { return no_end_; }          ///< the file ends before an end marker
  bool lacks_data() const { return lacks_data_; }  ///< what was decoded is partly made up
  bool odd() const { return odd_; }                ///< harmless oddities

  bool start(std::span<const uint8_t> bytes) {
    if (setjmp(way_out_)) return false;
    jpeg_mem_src(&info_, bytes.data(), bytes.size());
    jpeg_read_header(&info_, TRUE);
    info_.out_color_space = info_.num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    return true;
  }

  bool has_shape(const ImageHeader& header) const {
    return info_.output_width == static_cast<JDIMENSION>(header.width) &&
           info_.output_height == static_cast<JDIMENSION>(header.height);
  }

  /// A row of RGB or CMYK.
  bool read(uint8_t* out) {
    if (setjmp(way_out_)) return false;
    return jpeg_read_scanlines(&info_, &out, 1) == 1;
  }

  /// What follows the last row; also finds refinements of a progressive picture that never came.
  bool finish() {
    if (setjmp(way_out_)) return false;
    if (no_end_ && info_.coef_bits) {
      for (int i = 0; i < info_.num_components * DCTSIZE2; ++i) {
        if (info_.coef_bits[i / DCTSIZE2][i % DCTSIZE2] != 0) lacks_data_ = true;
      }
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

 private:
  [[noreturn]] static void on_error(j_common_ptr info) {
    auto* self = static_cast<JpegDecoder*>(info->client_data);
    info->err->format_message(info, self->message_);
    std::longjmp(self->way_out_, 1);
  }

  static void on_message(j_common_ptr info, int level) {
    if (level >= 0) return;
    auto* self = static_cast<JpegDecoder*>(info->client_data);
    switch (info->err->msg_code) {
      case JWRN_JPEG_EOF:
        self->no_end_ = true;
        break;
      case JWRN_EXTRANEOUS_DATA:
      case JWRN_ADOBE_XFORM:
      case JWRN_JFIF_MAJOR:
      case JWRN_TOO_MUCH_DATA:
        self->odd_ = true;
        break;
      default:
        self->lacks_data_ = true;
        info->err->format_message(info, self->message_);
    }
  }

  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_;
  std::jmp_buf way_out_;
  char message_[JMSG_LENGTH_MAX] = "no further word from libjpeg";
  bool no_end_ = false, lacks_data_ = false, odd_ = false;
};

void convert_cmyk(const std::vector<uint8_t>& row, bool inverted, uint8_t* out) {
  for (size_t i = 0; i < row.size(); i += 4, out += 3) {
    uint8_t ink[4];
    for (size_t c = 0; c < 4; ++c) ink[c] = inverted ? 255 - row[i + c] : row[i + c];
    cmyk_to_rgb(ink, out);
  }
}

}  // namespace

Decoded decode_jpeg(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name) {
  const ByteReader reader(bytes, name);
  const auto require = [&](bool good, const JpegDecoder& decoder) {
    if (!good) reader.fail(std::string("is a damaged or unusual JPEG: ") + decoder.message() + "; save it anew");
  };
  JpegDecoder decoder;
  require(decoder.start(bytes), decoder);
  if (!decoder.has_shape(header)) reader.fail("is a damaged JPEG: its header gives two sizes; replace it");
  Decoded decoded = make_decoded(header, false);
  std::vector<uint8_t> row(decoder.is_cmyk() ? static_cast<size_t>(header.width * 4) : 0);
  for (int64_t y = 0; y < header.height; ++y) {
    uint8_t* out = decoded.colour.pixels.data() + y * header.width * 3;
    require(decoder.read(row.empty() ? out : row.data()), decoder);
    if (!row.empty()) convert_cmyk(row, decoder.inverted(), out);
  }
  require(decoder.finish(), decoder);
  if (decoder.no_end() && decoder.lacks_data()) {
    reader.fail(
        "is truncated: the JPEG ends within its image data, before an end-of-image marker; replace it by a "
        "complete copy");
  }
  require(!decoder.lacks_data(), decoder);
  if (decoder.no_end()) {
    decoded.notes.push_back("lacks the end marker of a JPEG; its image data is complete and was read");
  } else if (decoder.odd()) {
    decoded.notes.push_back("has bytes in its JPEG data that do not belong there; the image was read past them");
  }
  return decoded;
}

}  // namespace retentive::datasets::detail
