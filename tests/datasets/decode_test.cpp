#include <chrono>
#include <cstring>

#include <datasets/files.h>
#include <datasets/image_header.h>
#include <datasets/image_io.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::image_fixture;
using testing::message_of;
using testing::read_bytes;
using testing::TemporaryFolder;
using testing::write_bytes;

namespace {

void put_big_endian(std::vector<uint8_t>& bytes, size_t at, uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes[at + i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

std::string refusal(const std::vector<uint8_t>& bytes) {
  return message_of<DataError>([&] { decode_image(bytes, "shots/x"); });
}

}  // namespace

TEST_CASE("decoded files equal Pillow's RGB", "[datasets]") {
  const auto manifest = testing::image_manifest();
  REQUIRE(manifest["decode"].size() >= 30);
  for (const auto& [name, item] : manifest["decode"].items()) {
    INFO(name);
    const Image image = decode_image(image_fixture(name));
    CHECK(image.height == item["height"]);
    CHECK(image.width == item["width"]);
    CHECK(image.channels == 3);
    const auto expected = read_bytes(image_fixture(name + ".bin"));
    REQUIRE(image.pixels.size() == expected.size());
    int worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) worst = std::max(worst, std::abs(expected[i] - image.pixels[i]));
    CHECK(worst <= item["tolerance"]);
  }
}

TEST_CASE("headers give size and orientation from file and memory", "[datasets]") {
  struct Case {
    const char* name;
    ImageFormat format;
    int64_t width, height;
    int channels, bit_depth, orientation;
  };
  const Case cases[] = {{"exif_7.jpg", ImageFormat::jpeg, 33, 21, 3, 8, 7},
                        {"grey.jpg", ImageFormat::jpeg, 33, 21, 1, 8, 1},
                        {"exif_6.png", ImageFormat::png, 26, 19, 3, 8, 6},
                        {"rgb16.png", ImageFormat::png, 26, 19, 3, 16, 1},
                        {"exif_8.webp", ImageFormat::webp, 26, 19, 3, 8, 8},
                        {"lossy.webp", ImageFormat::webp, 26, 19, 3, 8, 1},
                        {"alpha.webp", ImageFormat::webp, 26, 19, 4, 8, 1},
                        {"exif_5.tif", ImageFormat::tiff, 26, 19, 3, 8, 5},
                        {"grey_big_endian.tif", ImageFormat::tiff, 26, 19, 1, 8, 3},
                        {"rgb.bmp", ImageFormat::bmp, 26, 19, 3, 8, 1},
                        {"rgb.ppm", ImageFormat::pnm, 26, 19, 3, 8, 1},
                        {"bits.pbm.pnm", ImageFormat::pnm, 26, 19, 1, 1, 1},
                        {"cmyk.jpg", ImageFormat::jpeg, 26, 19, 4, 8, 1}};
  for (const Case& expected : cases) {
    INFO(expected.name);
    const ImageHeader from_file = read_image_header(image_fixture(expected.name));
    const ImageHeader from_memory = read_image_header(read_bytes(image_fixture(expected.name)), expected.name);
    for (const ImageHeader& header : {from_file, from_memory}) {
      CHECK(header.format == expected.format);
      CHECK(header.width == expected.width);
      CHECK(header.height == expected.height);
      CHECK(header.channels == expected.channels);
      CHECK(header.bit_depth == expected.bit_depth);
      CHECK(header.orientation == expected.orientation);
    }
  }
}

TEST_CASE("a file cut anywhere is refused by name", "[datasets]") {
  for (const char* name : {"exif_1.jpg", "progressive.jpg", "grey.png", "alpha.png", "lossy.webp", "exif_8.webp",
                           "rgb.bmp", "rgb.ppm", "exif_5.tif", "deflate.tif", "grey_big_endian.tif"}) {
    const auto whole = read_bytes(image_fixture(name));
    const size_t step = std::max<size_t>(1, whole.size() / 61);
    for (size_t size = 0; size + 2 < whole.size(); size += step) {
      const std::vector<uint8_t> part(whole.begin(), whole.begin() + static_cast<int64_t>(size));
      INFO(name << " cut to " << size << " of " << whole.size());
      const std::string message = refusal(part);
      // what follows the last strip of a TIFF may be cut without loss
      if (message == "nothing thrown") {
        CHECK(std::string(name).ends_with(".tif"));
        CHECK(decode_image(part, name).pixels == decode_image(whole, name).pixels);
      } else {
        CHECK_THAT(message, Catch::StartsWith("[image] shots/x "));
      }
    }
  }
  const auto jpeg = read_bytes(image_fixture("exif_1.jpg"));
  CHECK_THAT(refusal({jpeg.begin(), jpeg.end() - 30}), Contains("is truncated") && Contains("end-of-image"));
  auto hollow = jpeg;
  const uint8_t frame[] = {0xff, 0xc0};
  const auto size = std::search(hollow.begin(), hollow.end(), frame, frame + 2) + 5;
  size[0] = size[2] = 0x1f;  // 7968 rows and columns without the data for them
  CHECK_THAT(refusal(hollow), Contains("too little data"));
  CHECK_THAT(refusal({jpeg.begin(), jpeg.begin() + 30}), Contains("is truncated") && Contains("has 30 bytes"));
}

TEST_CASE("a PNG with a wrong checksum is refused", "[datasets]") {
  auto bytes = read_bytes(image_fixture("grey.png"));
  bytes[bytes.size() - 20] ^= 1;
  CHECK_THAT(refusal(bytes), Contains("wrong checksum"));
}

TEST_CASE("files that are no images are named with the fix", "[datasets]") {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& name, const std::string& text) {
    write_bytes(folder / name, {text.begin(), text.end()});
    return message_of<DataError>([&] { decode_image(folder / name); });
  };
  CHECK_THAT(message("text.png", "hello world, I am text"),
             Contains("text.png") && Contains("begins with the text \"hello world,\"") && Contains("JPEG, PNG"));
  CHECK_THAT(message("bytes.jpg", "\x01\x02\x7f"), Contains("begins with the bytes 01 02 7f"));
  CHECK_THAT(message("empty.png", ""), Contains("empty.png") && Contains("0 bytes"));
  CHECK_THAT(message("a.psd", "8BPS..."), Contains("is a Photoshop document"));
  CHECK_THAT(message("a.gif", "GIF89a"), Contains("truncated"));
  CHECK_THAT(message_of<DataError>([&] { decode_image(folder.path()); }), Contains("is a folder"));
  CHECK_THAT(message_of<DataError>([&] { decode_image(folder / "none.png"); }), Contains("none.png does not exist"));
  CHECK_THAT(message_of<DataError>([&] { decode_image("/dev/null"); }), Contains("not a regular file"));
  CHECK_THAT(message_of<DataError>([&] { decode_image(image_fixture("lab.tif")); }),
             Contains("photometric interpretation) 8"));
}

TEST_CASE("the pixel limit acts on the header alone", "[datasets]") {
  auto bomb = read_bytes(image_fixture("grey.png"));
  put_big_endian(bomb, 16, 100'000);
  put_big_endian(bomb, 20, 100'000);
  const auto start = std::chrono::steady_clock::now();
  CHECK_THAT(refusal(bomb), Contains("100000x100000 pixels") && Contains("64000000"));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(100));

  const auto small = read_bytes(image_fixture("grey.png"));
  CHECK(decode_image(small, "small", {.max_pixels = 26 * 19}).width == 26);
  CHECK_THAT(message_of<DataError>([&] { decode_image(small, "small", {.max_pixels = 26 * 19 - 1}); }),
             Contains("26x19 pixels"));
  put_big_endian(bomb, 16, 0);
  CHECK_THAT(refusal(bomb), Contains("size 0x100000"));
}

TEST_CASE("damaged EXIF leaves the picture as it is stored", "[datasets]") {
  auto bytes = read_bytes(image_fixture("exif_6.png"));
  const char name[] = "eXIf";
  const auto exif = std::search(bytes.begin(), bytes.end(), name, name + 4);
  REQUIRE(exif != bytes.end());
  std::fill(exif + 8, exif + 12, 0xff);  // offset of the directory
  CHECK(read_image_header(bytes, "x").orientation == 1);
}

TEST_CASE("written images are read back", "[datasets]") {
  const TemporaryFolder folder;
  const Image image = testing::noise_image(13, 17, 3, 5);
  for (const char* name : {"a.png", "a.bmp", "a.PPM", "a.tif"}) {
    INFO(name);
    write_image(folder / name, image);
    CHECK(decode_image(folder / name).pixels == image.pixels);
  }
  const Image grey = testing::noise_image(5, 3, 1, 6);
  const auto png = encode_png(grey);
  CHECK(read_image_header(png, "grey").channels == 1);
  const Image back = decode_image(png, "grey");
  for (size_t i = 0; i < grey.pixels.size(); ++i) CHECK(back.pixels[3 * i + 1] == grey.pixels[i]);
  CHECK_THAT(message_of<InvalidArgument>([&] { write_image(folder / "a.xyz", image); }), Contains("\".xyz\""));
  CHECK_THAT(message_of<DataError>([&] { write_image(folder / "none/a.png", image); }), Contains("cannot be written"));
}

}  // namespace retentive::datasets
