#include <cmath>

#include <datasets/files.h>
#include <datasets/image_io.h>
#include <datasets/transforms.h>
#include <support/catch.h>

namespace retentive::datasets {

using testing::image_fixture;
using testing::message_of;
using testing::noise_image;
using testing::read_bytes;

TEST_CASE("resize equals Pillow bit by bit", "[datasets]") {
  const auto manifest = testing::image_manifest();
  REQUIRE(manifest["resize"].size() == 36);
  for (const auto& item : manifest["resize"]) {
    Image source = decode_image(image_fixture(item["source"]));
    if (item["channels"] == 1) source = to_grey(source);
    const auto filter = item["filter"] == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear;
    const Image result = resize(source, item["height"], item["width"], filter);
    const auto expected = read_bytes(image_fixture(item["result"]));
    INFO(item["result"]);
    REQUIRE(result.pixels.size() == expected.size());
    int worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) worst = std::max(worst, std::abs(expected[i] - result.pixels[i]));
    CHECK(worst == 0);
  }
}

TEST_CASE("a resized window is a crop of the resized image", "[datasets]") {
  const Image source = noise_image(37, 53, 3, 1);
  const std::vector<Window> windows = {{0, 0, 20, 90},   {3, 11, 9, 17}, {-4, -7, 30, 110},
                                       {15, 80, 12, 30}, {40, 5, 3, 3},  {19, 89, 1, 1}};
  for (const auto& [height, width] : {std::pair{20, 90}, {37, 90}, {20, 53}, {37, 53}}) {
    const Image whole = resize(source, height, width, Interpolation::bicubic);
    for (const Window& window : windows) {
      const Image part = resize_window(source, height, width, Interpolation::bicubic, window);
      INFO(height << "x" << width << " window at " << window.top << "," << window.left);
      CHECK(part.pixels == crop(whole, window).pixels);
    }
  }
}

TEST_CASE("a window of a huge resized image costs the window alone", "[datasets]") {
  Image line = noise_image(1, 2'000'000, 1, 2);
  Preprocessing preprocessing;
  preprocessing.mean = {0.5};
  preprocessing.std = {0.5};
  const Image result = resize_and_crop(line, preprocessing);  // the whole would take 131 gigabytes
  CHECK(result.height == 224);
  CHECK(result.width == 224);
  CHECK(result.pixels[0] == result.pixels[223 * 224]);
}

TEST_CASE("crops pad with zeros and round as torchvision does", "[datasets]") {
  const auto start = [](int64_t size, int64_t cut) { return centre_window(size, size, cut, cut).top; };
  // int(round((size - cut) / 2.0)): halves go to the even number
  CHECK(start(10, 10) == 0);
  CHECK(start(11, 10) == 0);
  CHECK(start(12, 10) == 1);
  CHECK(start(13, 10) == 2);
  CHECK(start(14, 10) == 2);
  CHECK(start(15, 10) == 2);
  CHECK(start(17, 10) == 4);
  CHECK(start(7, 10) == -1);  // padding 1 before, 2 after
  CHECK(start(6, 10) == -2);

  const Image image{2, 2, 1, {1, 2, 3, 4}};
  CHECK(centre_crop(image, 3, 5).pixels == std::vector<uint8_t>{0, 1, 2, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0});
  CHECK(crop(image, {1, 1, 2, 2}).pixels == std::vector<uint8_t>{4, 0, 0, 0});
  CHECK(crop(image, {5, 5, 1, 2}).pixels == std::vector<uint8_t>{0, 0});
}

TEST_CASE("luminance equals Pillow's L", "[datasets]") {
  const Image image = decode_image(image_fixture("transform.png"));
  CHECK(to_grey(image).pixels == read_bytes(image_fixture("grey.bin")));
  CHECK(to_rgb({1, 2, 1, {7, 9}}).pixels == std::vector<uint8_t>{7, 7, 7, 9, 9, 9});
}

TEST_CASE("the evaluation transform equals the reference values", "[datasets]") {
  const Preprocessing preprocessing{.resize_shorter = 32, .crop = {28, 28}};
  std::vector<float> result(3 * 28 * 28);
  evaluation_transform(decode_image(image_fixture("transform.png")), preprocessing, result.data());
  const auto bytes = read_bytes(image_fixture("transform.bin"));
  REQUIRE(bytes.size() == result.size() * sizeof(float));
  const float* expected = reinterpret_cast<const float*>(bytes.data());
  float worst = 0;
  for (size_t i = 0; i < result.size(); ++i) worst = std::max(worst, std::abs(result[i] - expected[i]));
  CHECK(worst <= 1e-6f);
}

TEST_CASE("grey input serves RGB networks and RGB input grey ones", "[datasets]") {
  const Preprocessing rgb{.resize_shorter = 4, .crop = {4, 4}, .mean = {0, 0, 0}, .std = {1, 1, 1}};
  const Preprocessing grey{.resize_shorter = 4, .crop = {4, 4}, .mean = {0}, .std = {0.5}};
  const Image image = noise_image(4, 4, 1, 3);
  std::vector<float> three(48), one(16);
  evaluation_transform(image, rgb, three.data());
  evaluation_transform(to_rgb(image), grey, one.data());
  for (int i = 0; i < 16; ++i) {
    CHECK(three[i] == static_cast<float>(image.pixels[i]) / 255.0f);
    CHECK(three[i] == three[i + 32]);
    CHECK(one[i] == 2 * three[i]);
  }
}

TEST_CASE("transforms refuse what cannot be", "[datasets]") {
  const Image image = noise_image(4, 4, 3, 1);
  CHECK(message_of<InvalidArgument>([&] { resize(image, 0, 5, Interpolation::bicubic); }).find("0x5") < 60);
  CHECK(message_of<InvalidArgument>([&] {
          resize({0, 4, 3, {}}, 2, 2, Interpolation::bicubic);
        }).find("[0, 4, 3]") < 60);
  CHECK(message_of<InvalidArgument>([&] { to_grey({2, 2, 3, {1}}); }).find("1 pixel bytes") < 80);
  std::vector<float> out(3 * 224 * 224);
  const auto refusal = [&](const Preprocessing& p) {
    return message_of<InvalidArgument>([&] { evaluation_transform(image, p, out.data()); });
  };
  CHECK(refusal({.resize_shorter = 0}).find("resize_shorter is 0") < 40);
  CHECK(refusal({.crop = {224, -1}}).find("[224, -1]") < 40);
  CHECK(refusal({.mean = {0.5, 0.5}, .std = {1, 1}}).find("mean has 2") < 40);
  CHECK(refusal({.mean = {0.5}, .std = {0}}).find("std 0.0") < 80);
}

}  // namespace retentive::datasets
