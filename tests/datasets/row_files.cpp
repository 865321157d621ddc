#include <datasets/row_files.h>

#include <png.h>
#include <tiffio.h>

#include <cstdio>
#include <memory>
#include <vector>

#include <datasets/files.h>

namespace retentive::testing {

namespace {

/// libpng's default way out of an error here is abort: nothing of a test can go on without its file.
class PngWriter {
 public:
  PngWriter(const std::filesystem::path& path, const PngFile& file) : file_(std::fopen(path.c_str(), "wb")) {
    if (!file_) throw DataError("[test] " + path.string() + " cannot be written");
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    info_ = png_create_info_struct(png_);
    png_init_io(png_, file_);
    png_set_compression_level(png_, 1);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(file.width), static_cast<png_uint_32>(file.height), file.depth,
                 file.colour_type, file.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  }
  ~PngWriter() {
    png_destroy_write_struct(&png_, &info_);
    std::fclose(file_);
  }
  png_structp png() { return png_; }
  png_infop info() { return info_; }

 private:
  std::FILE* file_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

void add_palette(PngWriter& writer, const PngFile& file) {
  const auto colours = noise_image(1 << file.depth, 1, 3, 99);
  std::vector<png_color> palette(size_t{1} << file.depth);
  for (size_t i = 0; i < palette.size(); ++i) {
    palette[i] = {colours.pixels[3 * i], colours.pixels[3 * i + 1], colours.pixels[3 * i + 2]};
  }
  png_set_PLTE(writer.png(), writer.info(), palette.data(), static_cast<int>(palette.size()));
}

void add_transparency(PngWriter& writer) {
  const png_byte alpha[] = {0, 100};
  const png_color_16 colour = {0, 1, 1, 1, 1};
  png_set_tRNS(writer.png(), writer.info(), alpha, 2, &colour);
}

}  // namespace

void write_png_file(const std::filesystem::path& path, const PngFile& file) {
  PngWriter writer(path, file);
  if (file.colour_type == PNG_COLOR_TYPE_PALETTE) add_palette(writer, file);
  if (file.transparent) add_transparency(writer);
  png_write_info(writer.png(), writer.info());
  const auto row_bytes = static_cast<int64_t>(png_get_rowbytes(writer.png(), writer.info()));
  auto noise = noise_image(file.height, row_bytes, 1, static_cast<uint32_t>(7 * file.height + file.width));
  std::vector<png_bytep> rows;
  for (int64_t y = 0; y < file.height; ++y) rows.push_back(noise.pixels.data() + y * row_bytes);
  png_write_image(writer.png(), rows.data());
  png_write_end(writer.png(), writer.info());
}

void write_striped_png(const std::filesystem::path& path, int64_t height, int64_t width) {
  PngWriter writer(path, {height, width, PNG_COLOR_TYPE_GRAY});
  png_set_filter(writer.png(), PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
  png_write_info(writer.png(), writer.info());
  std::vector<uint8_t> row;
  for (int64_t y = 0; y < height; ++y) {
    row.assign(static_cast<size_t>(width), row_value(y));
    png_write_row(writer.png(), row.data());
  }
  png_write_end(writer.png(), writer.info());
}

void write_tiff_file(const std::filesystem::path& path, const TiffFile& file) {
  const std::unique_ptr<TIFF, void (*)(TIFF*)> tiff(TIFFOpen(path.c_str(), file.mode), TIFFClose);
  if (!tiff) throw DataError("[test] " + path.string() + " cannot be written");
  TIFF* const t = tiff.get();
  TIFFSetField(t, TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(file.width));
  TIFFSetField(t, TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(file.height));
  TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, file.samples);
  TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, file.depth);
  TIFFSetField(t, TIFFTAG_PHOTOMETRIC, file.samples > 2 ? 2 : file.inverted ? 0 : 1);
  TIFFSetField(t, TIFFTAG_PLANARCONFIG, file.planar);
  TIFFSetField(t, TIFFTAG_COMPRESSION, file.compression);
  TIFFSetField(t, TIFFTAG_ORIENTATION, file.orientation);
  TIFFSetField(t, TIFFTAG_FILLORDER, file.fill_order);
  if (file.predictor != 1) TIFFSetField(t, TIFFTAG_PREDICTOR, file.predictor);
  const uint32_t seed = static_cast<uint32_t>(7 * file.height + file.width);
  if (file.tiled) {
    TIFFSetField(t, TIFFTAG_TILEWIDTH, 16);
    TIFFSetField(t, TIFFTAG_TILELENGTH, 16);
    auto tile = noise_image(16, 16, file.samples, seed);
    for (uint32_t i = 0; i < TIFFNumberOfTiles(t); ++i) TIFFWriteEncodedTile(t, i, tile.pixels.data(), TIFFTileSize(t));
    return;
  }
  TIFFSetField(t, TIFFTAG_ROWSPERSTRIP, static_cast<uint32_t>(file.rows_per_strip));
  for (uint16_t plane = 0; plane < (file.planar == 2 ? file.samples : 1); ++plane) {
    auto noise = noise_image(file.height, TIFFScanlineSize(t), 1, seed + plane);
    for (int64_t y = 0; y < file.height; ++y) {
      TIFFWriteScanline(t, noise.pixels.data() + y * TIFFScanlineSize(t), static_cast<uint32_t>(y), plane);
    }
  }
}

}  // namespace retentive::testing
