#include <cmath>

#include <datasets/detection_set.h>
#include <datasets/detection_transforms.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::kDetection;
using testing::message_of;
using testing::noise_image;

TEST_CASE("the keep-ratio size is mmcv's", "[datasets][detection]") {
  struct Case {
    int64_t height, width, shorter, longer, new_height, new_width;
  };
  // int(side * min(longer / max, shorter / min) + 0.5), worked by hand
  const Case cases[] = {
      {480, 640, 800, 1333, 800, 1067},    // 640 * 5/3 = 1066.67
      {640, 480, 800, 1333, 1067, 800},    //
      {427, 640, 800, 1333, 800, 1199},    // 640 * 800/427 = 1199.06
      {375, 500, 800, 1333, 800, 1067},    //
      {300, 640, 800, 1333, 625, 1333},    // the longer side decides: 300 * 1333/640 = 624.84
      {2000, 3000, 800, 1333, 800, 1200},  //
      {800, 1333, 800, 1333, 800, 1333},   //
      {1, 10000, 800, 1333, 1, 1333},      // 0.13 would round to nothing
      {1, 1, 800, 1333, 800, 800},         //
      {3, 4, 10, 13, 10, 13},              // 13/4 = 3.25 < 10/3: 9.75 -> 10
  };
  for (const Case& c : cases) {
    INFO(c.height << "x" << c.width);
    const ResizedSize size = keep_ratio_size(c.height, c.width, c.shorter, c.longer);
    CHECK(size.height == c.new_height);
    CHECK(size.width == c.new_width);
    CHECK(size.scale_x == static_cast<double>(c.new_width) / static_cast<double>(c.width));
    CHECK(size.scale_y == static_cast<double>(c.new_height) / static_cast<double>(c.height));
  }
  CHECK_THAT(message_of<InvalidArgument>([] { keep_ratio_size(0, 5, 800, 1333); }), Contains("0x5"));
  CHECK_THAT(message_of<InvalidArgument>([] { keep_ratio_size(4, 5, 800, 0); }), Contains("800x0"));
  CHECK(padded_side(1, 32) == 32);
  CHECK(padded_side(32, 32) == 32);
  CHECK(padded_side(1067, 32) == 1088);
  CHECK(padded_side(1333, 1) == 1333);
}

TEST_CASE("boxes come back exactly and clipped", "[datasets][detection]") {
  const ResizedSize size = keep_ratio_size(480, 640, 800, 1333);
  const Box box{12.5f, 30.0f, 639.0f, 480.0f};
  const Box there = to_resized(box, size);
  CHECK(there.x0 == Approx(12.5 * 1067 / 640));
  CHECK(there.y0 == 50.0f);
  CHECK(there.y1 == 800.0f);
  const Box back = to_original(there, size);
  CHECK(back.x0 == Approx(box.x0).margin(1e-5));
  CHECK(back.y0 == Approx(box.y0).margin(1e-5));
  CHECK(back.x1 == Approx(box.x1).margin(1e-4));
  CHECK(back.y1 == 480.0f);
  CHECK(to_original({-5, -5, 2000, 2000}, size) == Box{0, 0, 640, 480});
  CHECK(to_resized({-5, -5, 2000, 2000}, size) == Box{0, 0, 1067, 800});
  for (int64_t width = 1; width < 3000; width += 7) {  // the original's side is found again from the scale
    const ResizedSize any = keep_ratio_size(333, width, 800, 1333);
    CHECK(to_original({0, 0, 1e9f, 1e9f}, any) == Box{0, 0, static_cast<float>(width), 333});
  }
}

TEST_CASE("the resize looks at the nearest four pixels only", "[datasets][detection]") {
  Image ramp{1, 8, 1, {0, 10, 20, 30, 40, 50, 60, 70}};
  CHECK(resize_bilinear(ramp, 1, 4).pixels == std::vector<uint8_t>{5, 25, 45, 65});
  // An output centre falls at 8 (x + 0.5) / 3 - 0.5 = 0.833, 3.5, 6.167: no wider neighbourhood although it shrinks.
  CHECK(resize_bilinear({1, 8, 1, {0, 0, 90, 0, 0, 90, 0, 0}}, 1, 3).pixels == std::vector<uint8_t>{0, 0, 0});
  CHECK(resize_bilinear({1, 2, 1, {0, 100}}, 1, 4).pixels == std::vector<uint8_t>{0, 25, 75, 100});
  const Image image = noise_image(5, 7, 3, 1);
  CHECK(resize_bilinear(image, 5, 7).pixels == image.pixels);
  CHECK_THROWS_AS(resize_bilinear(image, 0, 7), InvalidArgument);
}

TEST_CASE("a detector's input is normalised, then padded with zeros", "[datasets][detection]") {
  for (const int64_t channels : {1, 3}) {
    const Image image = noise_image(60, 90, channels, 3);
    const DetectionInput input = detection_input(image, kDetection, 32);
    CHECK(input.channels == 3);
    CHECK(input.resized == keep_ratio_size(60, 90, 80, 133));
    CHECK(input.resized.height == 80);
    CHECK(input.resized.width == 120);
    REQUIRE(input.height == 96);
    REQUIRE(input.width == 128);
    REQUIRE(input.values.size() == 3 * 96 * 128);
    const Image picture = resize_bilinear(image, 80, 120);
    int64_t wrong = 0;
    for (int64_t c = 0; c < 3; ++c) {
      const float mean = static_cast<float>(kDetection.mean[c]), std = static_cast<float>(kDetection.std[c]);
      for (int64_t y = 0; y < 96; ++y) {
        for (int64_t x = 0; x < 128; ++x) {
          float expected = 0;
          if (y < 80 && x < 120) {
            const uint8_t value = picture.pixels[(y * 120 + x) * channels + (channels == 3 ? c : 0)];
            expected = (static_cast<float>(value) / 255.0f - mean) / std;
          }
          wrong += input.values[(c * 96 + y) * 128 + x] != expected;
        }
      }
    }
    CHECK(wrong == 0);
    std::vector<float> wide(3 * 100 * 130, NAN);
    CHECK(detection_input(image, kDetection, 100, 130, wide.data()) == input.resized);
    CHECK(wide[0] == input.values[0]);
    CHECK(wide[(2 * 100 + 79) * 130 + 119] == input.values[(2 * 96 + 79) * 128 + 119]);
    CHECK(wide.back() == 0);
    CHECK(std::none_of(wide.begin(), wide.end(), [](float value) { return std::isnan(value); }));
  }
}

TEST_CASE("grey detectors and one-pixel images", "[datasets][detection]") {
  const Preprocessing grey{.resize_shorter = 8, .crop = {1, 1}, .mean = {0}, .std = {1}, .resize_longer = 16};
  const Image pixel{1, 1, 3, {200, 100, 50}};
  const DetectionInput input = detection_input(pixel, grey, 1);
  CHECK(input.channels == 1);
  REQUIRE(input.values.size() == 64);
  for (const float value : input.values) CHECK(value == static_cast<float>(to_grey(pixel).pixels[0]) / 255.0f);
  CHECK(detection_input(noise_image(1, 500, 3, 1), grey, 32).values.size() == 32 * 32);
}

TEST_CASE("what a detector's input cannot be is refused", "[datasets][detection]") {
  const Image image = noise_image(6, 5, 3, 1);
  Preprocessing classifier = kDetection;
  classifier.resize_longer = 0;
  CHECK_THAT(message_of<InvalidArgument>([&] { detection_input(image, classifier); }), Contains("resize_longer is 0"));
  CHECK_THAT(message_of<InvalidArgument>([&] { detection_input(Image{}, kDetection); }), Contains("[0, 0, 3]"));
  CHECK_THAT(message_of<InvalidArgument>([&] { detection_input(image, kDetection, 0); }), Contains("96x0"));
  std::vector<float> small(3 * 64 * 64);
  CHECK_THAT(message_of<InvalidArgument>([&] { detection_input(image, kDetection, 64, 64, small.data()); }),
             Contains("96x80") && Contains("64x64"));
}

}  // namespace retentive::datasets
