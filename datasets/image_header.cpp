#include <array>

#include <datasets/detail/header_formats.h>
#include <datasets/image_header.h>

namespace retentive::datasets {

namespace {

using detail::ByteReader;

struct Signature {
  const char* bytes;
  size_t size;
  const char* name;
};

// Formats that people meet and this library does not read, so that the message can name them.
constexpr std::array<Signature, 12> kForeign = {{{"%PDF", 4, "a PDF document"},
                                                 {"PK\3\4", 4, "a zip archive"},
                                                 {"\x1f\x8b", 2, "gzip-compressed"},
                                                 {"P7\n", 3, "a PAM image"},
                                                 {"PF\n", 3, "a PFM image of floating point"},
                                                 {"Pf\n", 3, "a PFM image of floating point"},
                                                 {"8BPS", 4, "a Photoshop document"},
                                                 {"\0\0\1\0", 4, "an ICO icon"},
                                                 {"\0\0\0\x0cjP  ", 8, "a JPEG 2000"},
                                                 {"\xff\x0a", 2, "a JPEG XL"},
                                                 {"v/1\1", 4, "an OpenEXR image"},
                                                 {"version https://git-lfs", 23, "a Git LFS pointer, not the image"}}};

std::string describe_start(ByteReader& reader) {
  for (const Signature& signature : kForeign) {
    if (reader.matches(0, signature.bytes, signature.size)) return std::string("is ") + signature.name;
  }
  if (reader.matches(4, "ftyp", 4)) return "is an HEIC, AVIF or MP4 file";
  const auto start = reader.at(0, std::min<uint64_t>(reader.size(), 12));
  bool text = true;
  std::string as_text, as_hex;
  for (const uint8_t byte : start) {
    const bool printable = byte >= 0x20 && byte < 0x7f;
    text = text && (printable || byte == '\n' || byte == '\r' || byte == '\t');
    as_text += printable ? static_cast<char>(byte) : ' ';
    constexpr char kDigits[] = "0123456789abcdef";
    as_hex += {' ', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text ? "is not an image: it begins with the text \"" + as_text + "\""
              : "is not an image: it begins with the bytes" + as_hex;
}

bool is_pnm(ByteReader& reader) {
  if (reader.size() < 3 || reader.u8(0) != 'P') return false;
  const uint8_t kind = reader.u8(1);
  const uint8_t space = reader.u8(2);
  return kind >= '1' && kind <= '6' && (space == ' ' || space == '\n' || space == '\r' || space == '\t');
}

ImageHeader read_any(ByteReader& reader) {
  if (reader.matches(0, "\xff\xd8\xff", 3)) return detail::read_jpeg_header(reader);
  if (reader.matches(0, "\x89PNG\r\n\x1a\n", 8)) return detail::read_png_header(reader);
  if (reader.matches(0, "RIFF", 4) && reader.matches(8, "WEBP", 4)) return detail::read_webp_header(reader);
  if (reader.matches(0, "GIF87a", 6) || reader.matches(0, "GIF89a", 6)) return detail::read_gif_header(reader);
  if (reader.matches(0, "II+\0", 4) || reader.matches(0, "MM\0+", 4)) return detail::read_tiff_header(reader);
  if (reader.matches(0, "II*\0", 4) || reader.matches(0, "MM\0*", 4)) return detail::read_tiff_header(reader);
  if (reader.matches(0, "BM", 2)) return detail::read_bmp_header(reader);
  if (is_pnm(reader)) return detail::read_pnm_header(reader);
  reader.fail(describe_start(reader) +
              "; JPEG, PNG, WebP, GIF, BMP, TIFF and PNM are accepted; convert, replace or remove the file");
}

ImageHeader read_checked(ByteReader& reader) {
  const ImageHeader header = read_any(reader);
  if (header.width <= 0 || header.height <= 0) {
    reader.fail("has a " + std::string(to_string(header.format)) + " header of size " + std::to_string(header.width) +
                "x" + std::to_string(header.height) + "; width and height must be positive; replace the file");
  }
  return header;
}

}  // namespace

const char* to_string(ImageFormat format) {
  switch (format) {
    case ImageFormat::jpeg:
      return "JPEG";
    case ImageFormat::png:
      return "PNG";
    case ImageFormat::webp:
      return "WebP";
    case ImageFormat::gif:
      return "GIF";
    case ImageFormat::bmp:
      return "BMP";
    case ImageFormat::tiff:
      return "TIFF";
    case ImageFormat::pnm:
      return "PNM";
  }
  return "image";
}

ImageHeader read_image_header(const std::filesystem::path& path) {
  ByteReader reader(path);
  return read_checked(reader);
}

ImageHeader read_image_header(std::span<const uint8_t> bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  return read_checked(reader);
}

}  // namespace retentive::datasets
