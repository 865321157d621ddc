#include <algorithm>
#include <cctype>
#include <fstream>

#include <opencv2/imgcodecs.hpp>

#include <datasets/detail/alpha_survey.h>
#include <datasets/detail/byte_reader.h>
#include <datasets/detail/decoders.h>
#include <datasets/detail/integrity.h>
#include <datasets/image_header.h>
#include <datasets/image_io.h>
#include <datasets/notes.h>
#include <datasets/resize.h>
#include <retention/base/error.h>
#include <retention/base/output_file.h>

namespace retentive::datasets {

namespace {

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw DataError("[image] " + name + " " + what);
}

std::string size_text(int64_t width, int64_t height) { return std::to_string(width) + "x" + std::to_string(height); }

void check_limit(const ImageHeader& header, const std::string& name, const DecodeOptions& options) {
  if (header.width <= options.max_pixels / header.height) return;
  fail(name, "is " + size_text(header.width, header.height) + " pixels, more than the limit of " +
                 std::to_string(options.max_pixels) + "; scale it down, or raise max_pixels");
}

void check_bytes(uint64_t size, const std::string& name) {
  constexpr uint64_t kMaxBytes = INT32_MAX;  // what the decoder can address
  if (size <= kMaxBytes) return;
  fail(name,
       "has " + std::to_string(size) + " bytes; at most " + std::to_string(kMaxBytes) + " are accepted; save it anew");
}

/// EXIF orientation: 2 and 4 mirror, 3 turns by 180 degrees, 5 to 8 swap rows and columns.
Image apply_orientation(Image image, int orientation) {
  if (orientation == 1) return image;
  const bool transposed = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out{transposed ? image.width : image.height, transposed ? image.height : image.width, image.channels, {}};
  out.pixels.resize(image.pixels.size());
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) {
      int64_t source_y = transposed ? x : y;
      int64_t source_x = transposed ? y : x;
      if (flip_y) source_y = image.height - 1 - source_y;
      if (flip_x) source_x = image.width - 1 - source_x;
      std::copy_n(image.pixels.data() + (source_y * image.width + source_x) * image.channels, image.channels,
                  out.pixels.data() + (y * out.width + x) * image.channels);
    }
  }
  return out;
}

cv::Mat to_mat(const Image& image, const char* where) {
  check_image(image, where);
  cv::Mat mat(static_cast<int>(image.height), static_cast<int>(image.width), image.channels == 1 ? CV_8UC1 : CV_8UC3);
  for (int y = 0; y < mat.rows; ++y) {
    const uint8_t* in = image.pixels.data() + y * image.width * image.channels;
    uint8_t* out = mat.ptr<uint8_t>(y);
    if (image.channels == 1) {
      std::copy_n(in, image.width, out);
      continue;
    }
    for (int64_t i = 0; i < image.width * 3; i += 3) {
      out[i] = in[i + 2];
      out[i + 1] = in[i + 1];
      out[i + 2] = in[i];
    }
  }
  return mat;
}

std::vector<uint8_t> encode(const Image& image, const std::string& extension, const char* where,
                            const std::vector<int>& parameters = {}) {
  std::vector<uint8_t> bytes;
  try {
    if (cv::imencode(extension, to_mat(image, where), bytes, parameters)) return bytes;
  } catch (const cv::Exception& error) {
    throw InvalidArgument(std::string("[") + where + "] an image of " + size_text(image.width, image.height) +
                          " cannot be written as " + extension + " (" + error.err + "); use .png");
  }
  throw InvalidArgument(std::string("[") + where + "] an image of " + size_text(image.width, image.height) +
                        " cannot be written as " + extension + "; use .png");
}

detail::Decoded decode_format(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name) {
  switch (header.format) {
    case ImageFormat::jpeg:
      return detail::decode_jpeg(bytes, header, name);
    case ImageFormat::png:
      return detail::decode_png(bytes, header, name);
    case ImageFormat::webp:
      return detail::decode_webp(bytes, header, name);
    case ImageFormat::gif:
      return detail::decode_gif(bytes, header, name);
    case ImageFormat::bmp:
      return detail::decode_bmp(bytes, header, name);
    case ImageFormat::tiff:
      return detail::decode_tiff(bytes, header, name);
    case ImageFormat::pnm:
      return detail::decode_pnm(bytes, header, name);
  }
  fail(name, "is of an unknown format");
}

/// Pixels as stored, after every check that needs no decoding.
detail::Decoded decode_checked(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name,
                               const DecodeOptions& options) {
  check_limit(header, name, options);
  check_bytes(bytes.size(), name);
  detail::check_complete(bytes, header, name);
  detail::Decoded decoded = decode_format(bytes, header, name);
  for (const std::string& note : decoded.notes) detail::give_note(name, note);
  return decoded;
}

/// Alpha is dropped, unless it alone shows what there is to see.
Image without_alpha(detail::Decoded decoded, const std::string& name) {
  detail::AlphaSurvey survey;
  uint8_t* rgb = decoded.colour.pixels.data();
  const std::vector<uint8_t>& alpha = decoded.alpha.pixels;
  for (size_t i = 0; i < alpha.size(); ++i) survey.add(rgb + 3 * i, alpha[i]);
  if (const auto background = survey.background()) {
    for (size_t i = 0; i < alpha.size(); ++i) detail::compose(rgb + 3 * i, alpha[i], *background, rgb + 3 * i);
    detail::give_note(name, detail::AlphaSurvey::note(*background));
  }
  return std::move(decoded.colour);
}

/// The bytes of a file whose header is that of an image within the limit.
std::vector<uint8_t> read_encoded(const std::filesystem::path& path, const DecodeOptions& options) {
  const std::string name = path.string();
  check_limit(read_image_header(path), name, options);
  uint64_t size = 0;
  std::ifstream file = detail::open_regular_file(path, "image", size);
  check_bytes(size, name);
  std::vector<uint8_t> bytes(size);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    fail(name, "cannot be read; check the disk or copy the file again");
  }
  return bytes;
}

}  // namespace

detail::Decoded detail::make_decoded(const ImageHeader& header, bool has_alpha) {
  const int64_t pixels = header.height * header.width;
  Decoded decoded{{header.height, header.width, 3, {}}, {header.height, header.width, 1, {}}, {}};
  decoded.colour.pixels.resize(3 * pixels);
  if (has_alpha) decoded.alpha.pixels.assign(pixels, 255);
  return decoded;
}

void detail::split_rgba(const uint8_t* rgba, Decoded& decoded) {
  for (size_t i = 0; i < decoded.alpha.pixels.size(); ++i) {
    std::copy_n(rgba + 4 * i, 3, decoded.colour.pixels.data() + 3 * i);
    decoded.alpha.pixels[i] = rgba[4 * i + 3];
  }
}

Image decode_image(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options) {
  const ImageHeader header = read_image_header(bytes, name);
  return apply_orientation(without_alpha(decode_checked(bytes, header, name, options), name),
                           options.ignore_orientation ? 1 : header.orientation);
}

Image decode_image(const std::filesystem::path& path, const DecodeOptions& options) {
  return decode_image(read_encoded(path, options), path.string(), options);
}

TransparentImage decode_transparent_image(const std::filesystem::path& path, const DecodeOptions& options) {
  const std::string name = path.string();
  const std::vector<uint8_t> bytes = read_encoded(path, options);
  const ImageHeader header = read_image_header(bytes, name);
  detail::Decoded decoded = decode_checked(bytes, header, name, options);
  const bool has_alpha = decoded.has_alpha();
  if (!has_alpha)
    decoded.alpha = {header.height, header.width, 1, std::vector<uint8_t>(header.height * header.width, 255)};
  const int orientation = options.ignore_orientation ? 1 : header.orientation;
  return {apply_orientation(std::move(decoded.colour), orientation),
          apply_orientation(std::move(decoded.alpha), orientation), has_alpha};
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  if (quality < 1 || quality > 100) {
    throw InvalidArgument("[encode_jpeg] quality is " + std::to_string(quality) + "; 1 to 100 is accepted");
  }
  return encode(image, ".jpg", "encode_jpeg", {cv::IMWRITE_JPEG_QUALITY, quality});
}

std::vector<uint8_t> encode_png(const Image& image) { return encode(image, ".png", "encode_png"); }

void write_image(const std::filesystem::path& path, const Image& image) {
  constexpr const char* kExtensions[] = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (std::find(std::begin(kExtensions), std::end(kExtensions), extension) == std::end(kExtensions)) {
    throw InvalidArgument("[write_image] " + path.string() + " has the extension \"" + extension +
                          "\"; .png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff, .ppm and .pgm are accepted");
  }
  const std::vector<uint8_t> bytes = encode(image, extension, "write_image");
  write_output(path, "write_image", std::as_bytes(std::span(bytes)), Flush::later);
}

}  // namespace retentive::datasets
