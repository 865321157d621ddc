#include <datasets/files.h>
#include <datasets/row_files.h>
#include <datasets/row_reader.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::message_of;
using testing::PngFile;
using testing::TemporaryFolder;
using testing::TiffFile;
using testing::write_bytes;
using vision::CallbackRowSource;
using vision::ImageRowSource;
using vision::RowSource;

namespace {

constexpr std::pair<int64_t, int64_t> kSizes[] = {{1, 1}, {1, 7}, {5, 1}, {13, 17}, {33, 65}};

/// All rows, in bands of 1, 2, 3, ... rows.
Image read_all(RowSource& rows) {
  Image image{rows.height(), rows.width(), rows.channels(), {}};
  image.pixels.resize(image.height * image.width * image.channels);
  for (int64_t band = 1; rows.next_row() < rows.height(); ++band) {
    const int64_t first = rows.next_row();
    rows.read(std::min(band, rows.height() - first), image.pixels.data() + first * image.width * image.channels);
  }
  return image;
}

/// Reads a file both ways, demands equal pixels and returns how it was opened.
OpenedRows check_equal(const std::filesystem::path& path) {
  INFO(path.filename());
  const Image whole = decode_image(path);
  OpenedRows opened = open_rows(path);
  CHECK(opened.streamed == opened.reason.empty());
  const Image read = read_all(*opened.rows);
  CHECK(read.height == whole.height);
  CHECK(read.width == whole.width);
  CHECK(read.channels == 3);
  CHECK(read.pixels == whole.pixels);
  return opened;
}

void write_pnm(const std::filesystem::path& path, char kind, int64_t height, int64_t width, int largest) {
  const std::string header = std::string("P") + kind + "\n# comment\n" + std::to_string(width) + " " +
                             std::to_string(height) + "\n" + std::to_string(largest) + "\n";
  std::vector<uint8_t> bytes(header.begin(), header.end());
  const int64_t row = width * (kind == '6' ? 3 : 1) * (largest > 255 ? 2 : 1);
  const auto noise = testing::noise_image(height, row, 1, static_cast<uint32_t>(height + width));
  bytes.insert(bytes.end(), noise.pixels.begin(), noise.pixels.end());
  write_bytes(path, bytes);
}

}  // namespace

TEST_CASE("rows of an image and of a function", "[datasets][rows]") {
  const Image image = testing::noise_image(7, 5, 3, 1);
  ImageRowSource from_image(image);
  CHECK(read_all(from_image).pixels == image.pixels);
  CHECK(from_image.next_row() == 7);
  CallbackRowSource from_function(7, 5, 1, [](int64_t first, int64_t rows, uint8_t* out) {
    for (int64_t i = 0; i < rows * 5; ++i) out[i] = static_cast<uint8_t>(first * 5 + i);
  });
  const Image counted = read_all(from_function);
  for (int i = 0; i < 35; ++i) CHECK(counted.pixels[i] == i);
  Image cut = image;
  cut.pixels.pop_back();
  CHECK_THAT(message_of<InvalidArgument>([&] { ImageRowSource{cut}; }), Contains("[7, 5, 3] with 104"));
  CHECK_THAT(message_of<InvalidArgument>([] { ImageRowSource{Image{0, 5, 3, {}}}; }), Contains("height 0"));
  CHECK_THAT(message_of<InvalidArgument>([] { CallbackRowSource(1, 1, 2, [](int64_t, int64_t, uint8_t*) {}); }),
             Contains("2 channels"));
  CHECK_THAT(message_of<InvalidArgument>([] { CallbackRowSource(1, 1, 1, {}); }), Contains("function is empty"));
}

TEST_CASE("reading past the end is refused and harms nothing; a failure is final", "[datasets][rows]") {
  ImageRowSource rows(testing::noise_image(3, 2, 3, 1));
  std::vector<uint8_t> out(18);
  rows.read(2, out.data());
  CHECK_THAT(message_of<InvalidArgument>([&] { rows.read(2, out.data()); }),
             Contains("2 rows") && Contains("row 2 of 3") && Contains("0 to 1"));
  CHECK_THROWS_AS(rows.read(-1, out.data()), InvalidArgument);
  rows.read(1, out.data());
  rows.read(0, nullptr);
  int calls = 0;
  CallbackRowSource failing(9, 1, 1, [&](int64_t, int64_t, uint8_t*) {
    if (++calls == 2) throw DataError("[test] lost");
  });
  failing.read(4, out.data());
  CHECK_THROWS_AS(failing.read(1, out.data()), DataError);
  CHECK_THAT(message_of<StateError>([&] { failing.read(1, out.data()); }), Contains("after row 4"));
  CHECK(calls == 2);
}

TEST_CASE("streamed PNG files of every kind equal decode_image", "[datasets][rows]") {
  constexpr std::pair<int, int> kKinds[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                                            {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};
  const TemporaryFolder folder;
  for (const auto& [colour_type, depth] : kKinds) {
    for (const auto& [height, width] : kSizes) {
      for (const bool transparent : {false, true}) {
        if (transparent && colour_type > 3) continue;
        const auto path = folder / (std::to_string(colour_type) + "_" + std::to_string(depth) + "_" +
                                    std::to_string(height) + (transparent ? "t.png" : ".png"));
        testing::write_png_file(path, {height, width, colour_type, depth, transparent});
        CHECK(check_equal(path).streamed);
      }
    }
  }
  testing::write_png_file(folder / "interlaced.png", {.height = 13, .width = 17, .interlaced = true});
  CHECK(check_equal(folder / "interlaced.png").reason == "the PNG is interlaced");
}

TEST_CASE("streamed PPM and PGM files equal decode_image", "[datasets][rows]") {
  const TemporaryFolder folder;
  for (const char kind : {'5', '6'}) {
    for (const int largest : {255, 65535}) {
      for (const auto& [height, width] : kSizes) {
        write_pnm(folder / "x.pnm", kind, height, width, largest);
        CHECK(check_equal(folder / "x.pnm").streamed);
      }
    }
  }
  write_pnm(folder / "x.pnm", '6', 3, 3, 100);  // its noise goes up to 255
  CHECK_THAT(message_of<DataError>([&] { check_equal(folder / "x.pnm"); }), Contains("where the largest is 100"));
}

TEST_CASE("streamed TIFF files equal decode_image", "[datasets][rows]") {
  constexpr int kPlain = 1, kLzw = 5, kDeflate = 8, kPackbits = 32773;
  const TemporaryFolder folder;
  for (const int compression : {kPlain, kLzw, kDeflate, kPackbits}) {
    for (const auto& [height, width] : kSizes) {
      for (const int samples : {1, 3}) {
        for (const int64_t strip : {1, 4, 1000}) {
          TiffFile file{height, width, samples, compression, strip};
          file.mode = strip == 4 ? "wb" : "w";  // b: big-endian
          if (compression == kLzw || compression == kDeflate) file.predictor = strip == 1 ? 2 : 1;
          testing::write_tiff_file(folder / "x.tif", file);
          CHECK(check_equal(folder / "x.tif").streamed);
          file.mode = "w8";
          testing::write_tiff_file(folder / "big.tif", file);
          CHECK(read_all(*open_rows(folder / "big.tif").rows).pixels == decode_image(folder / "x.tif").pixels);
        }
      }
    }
  }
}

TEST_CASE("unusual TIFF files are decoded whole and say why", "[datasets][rows]") {
  const TemporaryFolder folder;
  const std::pair<TiffFile, const char*> cases[] = {
      {{.height = 9, .width = 7, .orientation = 6}, "its orientation 6 turns or mirrors it"},
      {{.height = 9, .width = 7, .samples = 1, .inverted = true}, "colour kind 0 with samples per pixel: 1"},
      {{.height = 9, .width = 7, .depth = 16}, "bits per sample: 16"},
      {{.height = 9, .width = 7, .planar = 2}, "its colours lie in planes apart"},
      {{.height = 9, .width = 7, .fill_order = 2}, "its bits are stored in reverse"}};
  for (const auto& [file, reason] : cases) {
    INFO(reason);
    testing::write_tiff_file(folder / "x.tif", file);
    CHECK(check_equal(folder / "x.tif").reason == reason);
  }
  for (const char* mode : {"w", "w8"}) {  // 8: BigTIFF
    testing::write_tiff_file(folder / "tiled.tif", {.height = 9, .width = 7, .tiled = true, .mode = mode});
    CHECK(check_equal(folder / "tiled.tif").reason == "the TIFF is tiled");
    CHECK_THAT(message_of<DataError>([&] { open_rows(folder / "tiled.tif", {.max_pixels = 62}); }),
               Contains("more than the limit of 62") && Contains("(the TIFF is tiled)"));
  }
}

TEST_CASE("every fixture equals decode_image, streamed or whole", "[datasets][rows]") {
  const auto manifest = testing::image_manifest();
  int streamed = 0;
  for (const auto& [name, item] : manifest["decode"].items()) {
    streamed += check_equal(testing::image_fixture(name)).streamed;
  }
  CHECK(streamed == 11);
  const auto reason = [](const char* name) { return open_rows(testing::image_fixture(name)).reason; };
  CHECK(reason("grey.jpg") == "JPEG is not read in rows");
  CHECK(reason("exif_6.png") == "its orientation 6 turns or mirrors it");
  CHECK(reason("bits.pbm.pnm") == "PNM of kind P4 is not read in rows");
  CHECK(reason("alpha.tif") == "colour kind 2 with samples per pixel: 4");
}

TEST_CASE("the pixel limit binds only what is decoded whole", "[datasets][rows]") {
  const TemporaryFolder folder;
  PngFile file{.height = 20, .width = 30};
  testing::write_png_file(folder / "rows.png", file);
  CHECK(open_rows(folder / "rows.png", {.max_pixels = 1}).streamed);
  file.interlaced = true;
  testing::write_png_file(folder / "whole.png", file);
  CHECK(open_rows(folder / "whole.png", {.max_pixels = 600}).rows->width() == 30);
  CHECK_THAT(message_of<DataError>([&] { open_rows(folder / "whole.png", {.max_pixels = 599}); }),
             Contains("whole.png") && Contains("30x20") && Contains("599") && Contains("the PNG is interlaced"));
}

}  // namespace retentive::datasets
