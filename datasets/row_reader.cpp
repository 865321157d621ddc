#include <datasets/detail/row_formats.h>
#include <datasets/row_reader.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

constexpr int64_t kMaxSide = INT32_MAX;

OpenedRows open_stream(const std::filesystem::path& path, const ImageHeader& header) {
  if (header.orientation != 1) {
    return {nullptr, false, "its orientation " + std::to_string(header.orientation) + " turns or mirrors it"};
  }
  if (header.width > kMaxSide || header.height > kMaxSide) {
    return {nullptr, false, "a side is longer than " + std::to_string(kMaxSide) + " pixels"};
  }
  switch (header.format) {
    case ImageFormat::pnm:
      return detail::open_pnm_rows(path);
    case ImageFormat::png:
      return detail::open_png_rows(path, header);
    case ImageFormat::tiff:
      return detail::open_tiff_rows(path);
    default:
      return {nullptr, false, std::string(to_string(header.format)) + " is not read in rows"};
  }
}

OpenedRows decode_whole(const std::filesystem::path& path, const ImageHeader& header, const DecodeOptions& options,
                        std::string reason) {
  if (header.width > options.max_pixels / header.height) {
    throw DataError("[image] " + path.string() + " is " + std::to_string(header.width) + "x" +
                    std::to_string(header.height) + " pixels, more than the limit of " +
                    std::to_string(options.max_pixels) + " for pictures that cannot be read in rows (" + reason +
                    "); save it as a PNG without interlacing or an 8-bit TIFF in strips, or raise max_pixels");
  }
  return {std::make_unique<vision::ImageRowSource>(decode_image(path, options)), false, std::move(reason)};
}

}  // namespace

OpenedRows open_rows(const std::filesystem::path& path, const DecodeOptions& options) {
  const ImageHeader header = read_image_header(path);
  OpenedRows opened = open_stream(path, header);
  if (opened.rows) return opened;
  return decode_whole(path, header, options, std::move(opened.reason));
}

namespace detail {

void spread_grey(const uint8_t* grey, int64_t count, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i, out += 3) {
    const uint8_t value = grey[i];
    out[0] = out[1] = out[2] = value;
  }
}

void fail_row(const std::filesystem::path& path, int64_t row, int64_t height, const std::string& what) {
  throw DataError("[image] " + path.string() + " is truncated or damaged at row " + std::to_string(row) + " of " +
                  std::to_string(height) + ": " + what + "; replace it by an intact copy");
}

void check_ratio(const std::filesystem::path& path, uint64_t bytes, uint64_t rows, uint64_t row_bytes, uint64_t ratio) {
  constexpr uint64_t kSlack = 4096;
  if (row_bytes <= (bytes * ratio + kSlack) / rows) return;
  throw DataError("[image] " + path.string() + " is truncated or damaged: " + std::to_string(bytes) +
                  " bytes cannot hold " + std::to_string(rows) + " rows of " + std::to_string(row_bytes) +
                  " bytes; replace it by an intact copy");
}

}  // namespace detail

}  // namespace retentive::datasets
