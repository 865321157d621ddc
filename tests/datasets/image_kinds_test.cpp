#include <algorithm>
#include <array>
#include <cmath>

#include <datasets/files.h>
#include <datasets/image_header.h>
#include <datasets/image_io.h>
#include <datasets/notes.h>
#include <datasets/row_files.h>
#include <datasets/row_reader.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::message_of;
using testing::TemporaryFolder;
using testing::write_bytes;

namespace {

using Colours = std::array<std::array<int, 3>, 4>;
constexpr Colours kPlain = {{{220, 40, 40}, {40, 200, 60}, {50, 70, 210}, {240, 230, 60}}};
constexpr Colours kGrey = {{{17, 17, 17}, {85, 85, 85}, {170, 170, 170}, {238, 238, 238}}};

std::filesystem::path picture_case(const std::string& name) {
  return std::filesystem::path(testing::source_dir()) / "tests/fixtures/cases" / name;
}

/// Quadrants: top left, top right, bottom left, bottom right.
void check_quadrants(const Image& image, const Colours& expected) {
  for (int64_t quadrant = 0; quadrant < 4; ++quadrant) {
    const int64_t y = (quadrant / 2 * 2 + 1) * image.height / 4, x = (quadrant % 2 * 2 + 1) * image.width / 4;
    for (int64_t c = 0; c < 3; ++c) {
      INFO("quadrant " << quadrant << " channel " << c);
      CHECK(std::abs(image.pixels[(y * image.width + x) * 3 + c] - expected[quadrant][c]) <= 12);
    }
  }
}

/// What is said while `call` runs.
template <class Call>
std::string notes_of(Call&& call) {
  std::string notes;
  set_note_sink([&](const std::string&, const std::string& note) { notes += note + "\n"; });
  call();
  set_note_sink({});
  return notes;
}

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
Image decode(const std::string& text) { return decode_image(bytes_of(text), "text"); }

void append(std::vector<uint8_t>& bytes, uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>(value >> 8 * i));
}

/// A BMP of one row, with `masks` when there are any.
std::vector<uint8_t> bmp_row(int bits, int compression, const std::vector<uint32_t>& masks,
                             const std::vector<uint32_t>& pixels) {
  std::vector<uint8_t> bytes = {'B', 'M'};
  const auto data = static_cast<uint32_t>(54 + 4 * masks.size());
  append(bytes, 0, 4), append(bytes, 0, 4), append(bytes, data, 4), append(bytes, 40, 4);
  append(bytes, static_cast<uint32_t>(pixels.size()), 4), append(bytes, 1, 4), append(bytes, 1, 2);
  append(bytes, static_cast<uint32_t>(bits), 2), append(bytes, static_cast<uint32_t>(compression), 4);
  for (int i = 0; i < 5; ++i) append(bytes, 0, 4);
  for (const uint32_t mask : masks) append(bytes, mask, 4);
  for (const uint32_t pixel : pixels) append(bytes, pixel, bits / 8);
  while ((bytes.size() - data) % 4) bytes.push_back(0);
  return bytes;
}

}  // namespace

TEST_CASE("pictures of unusual kinds have their colours", "[datasets][kinds]") {
  const std::pair<const char*, Colours> cases[] = {
      {"rgb16_planar.tif", kPlain},
      {"miniswhite16.tif", {{{20, 20, 20}, {90, 90, 90}, {160, 160, 160}, {235, 235, 235}}}},
      {"bitfields32_rgbx.bmp", kPlain},
      {"ascii.ppm", kPlain},
      {"raw_profile_exif6.png", {{{50, 70, 210}, {220, 40, 40}, {240, 230, 60}, {40, 200, 60}}}},
      {"grey4.tif", kGrey},
      {"maxval15.pgm", kGrey},
      {"animated.webp", kPlain},
      {"no_eoi.jpg", kPlain},
      {"big.tif", kPlain}};
  for (const auto& [name, colours] : cases) {
    INFO(name);
    const auto path = picture_case(std::string("images/") + name);
    const Image image = decode_image(path);
    check_quadrants(image, colours);
    Image rows{image.height, image.width, 3, std::vector<uint8_t>(image.pixels.size())};
    open_rows(path).rows->read(image.height, rows.pixels.data());
    CHECK(rows.pixels == image.pixels);
  }
}

TEST_CASE("a raw profile may have a name of several words", "[datasets][kinds]") {
  const std::string exif = "4d4d002a00000008000101120003000000010006000000000000";
  const std::string text =
      "Raw profile type APP1" + std::string(1, '\0') + "\ngeneric profile\n      26\n" + exif + "\n";
  std::string png("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\2\0\0\0\2\x08\2\0\0\0....\0\0\0", 36);
  png += static_cast<char>(text.size());
  const auto bytes = bytes_of(png + "tEXt" + text + "....");
  CHECK(read_image_header(bytes, "x").orientation == 6);
}

TEST_CASE("what was read in part is said", "[datasets][kinds]") {
  const auto notes = [](const char* name) { return notes_of([&] { decode_image(picture_case(name)); }); };
  CHECK(notes("images/animated.webp") == "is an animated WebP; its first frame was read\n");
  CHECK_THAT(notes("images/no_eoi.jpg"), Contains("lacks the end marker"));
  CHECK(notes("images/big.tif").empty());
}

TEST_CASE("a JPEG is refused when more than its end marker is missing", "[datasets][kinds]") {
  for (const char* name : {"exif_1.jpg", "progressive.jpg", "cmyk.jpg", "grey.jpg"}) {
    const auto whole = testing::read_bytes(testing::image_fixture(name));
    const std::vector<uint8_t> no_end(whole.begin(), whole.end() - 2);
    CHECK(decode_image(no_end, name).pixels == decode_image(whole, name).pixels);
    for (size_t size = 20; size + 3 < whole.size(); ++size) {
      INFO(name << " cut to " << size << " of " << whole.size());
      auto cut = whole;
      cut.resize(size);
      CHECK_THROWS_AS(decode_image(cut, name), DataError);
    }
  }
}

TEST_CASE("PNM of every kind and largest value", "[datasets][kinds]") {
  const auto reds = [](const Image& image) {
    std::vector<int> values;
    for (size_t i = 0; i < image.pixels.size(); i += 3) values.push_back(image.pixels[i]);
    return values;
  };
  CHECK(reds(decode("P2 3 1 15\n0 7 15")) == std::vector<int>{0, 119, 255});
  CHECK(reds(decode("P2 # c\n2 1 1000 0#d\n 500")) == std::vector<int>{0, 128});
  CHECK(reds(decode("P1 4 1\n10 01")) == std::vector<int>{0, 255, 255, 0});
  CHECK(decode("P3 1 1 255 1 2 3").pixels == std::vector<uint8_t>{1, 2, 3});
  CHECK(reds(decode(std::string("P5 2 1 1 \0\1", 11))) == std::vector<int>{0, 255});
  CHECK(reds(decode(std::string("P5 2 1 4095 \x0f\xff\x08\x00", 16))) == std::vector<int>{255, 128});
  CHECK_THAT(message_of<DataError>([] { decode("P2 2 1 15\n0 16"); }),
             Contains("a value is 16 where the largest is 15"));
  CHECK_THAT(message_of<DataError>([] { decode("P2 3 1 255\n0 160 "); }), Contains("the file ends"));
}

TEST_CASE("BMP channels lie where the masks say", "[datasets][kinds]") {
  const auto pixels = [](const std::vector<uint8_t>& bytes) { return decode_image(bytes, "bmp").pixels; };
  using Bytes = std::vector<uint8_t>;
  CHECK(pixels(bmp_row(32, 3, {0xff000000, 0xff0000, 0xff00}, {0x01020300})) == Bytes{1, 2, 3});
  CHECK(pixels(bmp_row(32, 3, {0x3ff00000, 0xffc00, 0x3ff}, {0x3ff00000 | 512 << 10})) == Bytes{255, 128, 0});
  CHECK(pixels(bmp_row(16, 3, {0xf800, 0x07e0, 0x001f}, {0xf800, 0x07e0, 0x001f})) ==
        Bytes{255, 0, 0, 0, 255, 0, 0, 0, 255});
  CHECK(pixels(bmp_row(16, 3, {0x0f00, 0x00f0, 0x000f}, {0x0f80})) == Bytes{255, 136, 0});
  CHECK(pixels(bmp_row(16, 0, {}, {0x7c00, 0x001f})) == Bytes{255, 0, 0, 0, 0, 255});
  CHECK(pixels(bmp_row(24, 0, {}, {0x102030})) == Bytes{0x10, 0x20, 0x30});
  CHECK_THAT(message_of<DataError>([&] { pixels(bmp_row(32, 4, {}, {0})); }), Contains("compression 4"));
}

TEST_CASE("TIFF of every depth, planar, tiled and inverted", "[datasets][kinds]") {
  const TemporaryFolder folder;
  const auto read = [&](const testing::TiffFile& file) {
    testing::write_tiff_file(folder / "x.tif", file);
    return decode_image(folder / "x.tif");
  };
  for (const int depth : {1, 2, 4, 8, 12, 16}) {
    INFO(depth << " bits");
    testing::TiffFile file{.height = 9, .width = 7, .samples = 1, .compression = depth == 12 ? 1 : 5, .depth = depth};
    const Image grey = read(file);
    file.inverted = true;
    const Image inverted = read(file);
    for (size_t i = 0; i < grey.pixels.size(); ++i) REQUIRE(std::abs(grey.pixels[i] + inverted.pixels[i] - 255) <= 1);
    file = {.height = 9, .width = 7, .depth = depth, .planar = 2};
    const Image planar = read(file);
    file = {.height = 9, .width = 7, .samples = 1, .depth = depth};
    const Image red = read(file);  // the first plane has the same noise
    for (size_t i = 0; i < red.pixels.size(); i += 3) REQUIRE(planar.pixels[i] == red.pixels[i]);
  }
}

TEST_CASE("a GIF gives its first frame", "[datasets][kinds]") {
  // 2 x 1, colours red and blue, one frame or two of the codes clear, 0, 1, end
  const std::string head("GIF89a\2\0\1\0\x80\0\0\xff\0\0\0\0\xff", 19);
  const std::string frame("\x2c\0\0\0\0\2\0\1\0\0\2\2\x44\x0a\0", 15);
  CHECK(decode(head + frame + ";").pixels == std::vector<uint8_t>{255, 0, 0, 0, 0, 255});
  CHECK(notes_of([&] { decode(head + frame + ";"); }).empty());
  CHECK(notes_of([&] { decode(head + frame + frame + ";"); }) == "is an animated GIF; its first frame was read\n");
  CHECK_THROWS_AS(decode(head + frame.substr(0, 12)), DataError);
}

TEST_CASE("what shows only through alpha is put on white or black", "[datasets][kinds]") {
  const auto path = picture_case("other/canvas_black_3.png");
  const Image canvas = decode_image(path);
  const auto [low, high] = std::minmax_element(canvas.pixels.begin(), canvas.pixels.end());
  CHECK(*low < 20);
  CHECK(*high == 255);
  CHECK_THAT(notes_of([&] { decode_image(path); }), Contains("put on white"));
  const auto composed = [](const std::vector<uint32_t>& pixels) {  // of the order alpha, red, green, blue
    return decode_image(bmp_row(32, 6, {0xff0000, 0xff00, 0xff, 0xff000000}, pixels), "bmp").pixels;
  };
  using Bytes = std::vector<uint8_t>;
  CHECK(composed({0xff000000, 0, 0x80000000}) == Bytes{0, 0, 0, 255, 255, 255, 127, 127, 127});
  CHECK(composed({0xffffffff, 0, 0x80ffffff}) == Bytes{255, 255, 255, 0, 0, 0, 128, 128, 128});
  CHECK(composed({0xffff0000, 0}) == Bytes{255, 0, 0, 255, 255, 255});
  // Alpha is dropped where colours show something, where nothing is transparent, and where nothing is visible.
  CHECK(composed({0xffff0000, 0xff0000ff, 0x00102030}) == Bytes{255, 0, 0, 0, 0, 255, 16, 32, 48});
  CHECK(composed({0xff0a0a0a, 0xff000000}) == Bytes{10, 10, 10, 0, 0, 0});
  CHECK(composed({0x00ff0000, 0x000000ff}) == Bytes{255, 0, 0, 0, 0, 255});
  const OpenedRows opened = open_rows(path);
  CHECK(opened.streamed);
  Image rows = canvas;
  opened.rows->read(rows.height, rows.pixels.data());
  CHECK(rows.pixels == canvas.pixels);
}

}  // namespace retentive::datasets
