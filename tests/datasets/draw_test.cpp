#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <set>

#include <datasets/draw.h>
#include <datasets/files.h>
#include <datasets/resize.h>
#include <datasets/rle.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::message_of;
using testing::noise_image;
using vision::Detection;

namespace {

const std::vector<std::string> kLabels = {"person", "bicycle", "car"};

Image grey_image(int64_t height, int64_t width) {
  return {height, width, 3, std::vector<uint8_t>(height * width * 3, 127)};
}

std::array<uint8_t, 3> pixel(const Image& image, int64_t x, int64_t y) {
  const uint8_t* p = image.pixels.data() + (y * image.width + x) * 3;
  return {p[0], p[1], p[2]};
}

/// Whether inside(x, y) holds for every pixel that differs; their number in `changed`.
template <class Inside>
bool changes_within(const Image& before, const Image& after, int64_t& changed, Inside inside) {
  changed = 0;
  bool good = before.height == after.height && before.width == after.width && after.channels == 3;
  for (int64_t y = 0; good && y < before.height; ++y) {
    for (int64_t x = 0; x < before.width; ++x) {
      if (pixel(before, x, y) == pixel(after, x, y)) continue;
      ++changed;
      good = good && inside(x, y);
    }
  }
  return good;
}

Detection disc(int64_t height, int64_t width, double cx, double cy, double radius) {
  std::vector<uint8_t> mask(height * width);
  for (int64_t i = 0; i < height * width; ++i) {
    const double x = static_cast<double>(i % width) + 0.5, y = static_cast<double>(i / width) + 0.5;
    mask[i] = std::hypot(x - cx, y - cy) < radius;
  }
  Detection detection;
  detection.mask = rle_encode(mask.data(), height, width);
  detection.box = rle_box(*detection.mask);
  return detection;
}

DrawOptions without_text() {
  DrawOptions options;
  options.names = options.scores = false;
  return options;
}

}  // namespace

TEST_CASE("a box changes the pixels along its edges alone", "[datasets][draw]") {
  const Image image = grey_image(480, 640);  // diagonal 800: lines of 2 pixels
  const Detection detection{{100.4f, 50.0f, 299.5f, 201.0f}, 1, 0.9, {}};
  const Image drawn = draw_detections(image, std::vector{detection}, kLabels, without_text());
  int64_t changed = 0;
  CHECK(changes_within(image, drawn, changed, [](int64_t x, int64_t y) {
    return x >= 100 && x < 300 && y >= 50 && y < 201 && (x < 102 || x >= 298 || y < 52 || y >= 199);
  }));
  CHECK(changed == 200 * 151 - 196 * 147);
  CHECK(pixel(drawn, 100, 50) == class_colour(1));

  const Detection beyond{{-50, -1e9f, 1e9f, 20}, 0, 0.5, {}};  // the part inside
  CHECK(changes_within(image, draw_detections(image, std::vector{beyond}, kLabels, without_text()), changed,
                       [](int64_t x, int64_t y) { return y < 20 && (x < 2 || x >= 638 || y < 2 || y >= 18); }));
  CHECK(changed > 0);
  for (const vision::Box& box : {vision::Box{700, 10, 800, 20}, {10, 10, 10, 20}, {30, 10, 20, 20}}) {
    CHECK(draw_detections(image, std::vector{Detection{box, 0, 0.5, {}}}, kLabels).pixels == image.pixels);
  }
}

TEST_CASE("a mask is tinted inside and lined at its edge", "[datasets][draw]") {
  const Image image = grey_image(240, 320);
  Detection detection = disc(240, 320, 160, 120, 60);
  detection.label = 2;
  DrawOptions options = without_text();
  options.boxes = false;
  options.mask_opacity = 0.5;
  const Image drawn = draw_detections(image, std::vector{detection}, kLabels, options);
  const auto mask = rle_decode(*detection.mask);
  int64_t changed = 0;
  CHECK(changes_within(image, drawn, changed, [&](int64_t x, int64_t y) { return mask[y * 320 + x] == 1; }));
  CHECK(changed == rle_area(*detection.mask));
  const auto colour = class_colour(2);
  CHECK(pixel(drawn, 160, 120)[0] == static_cast<uint8_t>(127 + (colour[0] - 127) * 0.5 + 0.5));
  CHECK(pixel(drawn, 160, 60) == colour);
  CHECK(pixel(drawn, 160, 179) == colour);
  options.mask_opacity = 0;
  CHECK(pixel(draw_detections(image, std::vector{detection}, kLabels, options), 160, 120)[0] == 127);
  options.masks = false;
  CHECK(draw_detections(image, std::vector{detection}, kLabels, options).pixels == image.pixels);
}

TEST_CASE("plates are filled, contrasting, inside of the image and apart", "[datasets][draw]") {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{90, 120}, {480, 640}, {3000, 4000}}) {
    INFO(height << "x" << width);
    const Image image = grey_image(height, width);
    const float h = static_cast<float>(height), w = static_cast<float>(width);
    DrawOptions options;
    options.boxes = false;
    const std::vector<Detection> one{{{0.4f * w, 0.4f * h, 0.6f * w, 0.6f * h}, 0, 0.98, {}}};
    const Image drawn = draw_detections(image, one, kLabels, options);
    int64_t changed = 0, plate = 0, ink = 0;
    CHECK(changes_within(image, drawn, changed, [&](int64_t x, int64_t y) {
      return x >= static_cast<int64_t>(0.4f * w) && y < static_cast<int64_t>(0.4f * h);  // above, flush left
    }));
    for (int64_t i = 0; i < height * width; ++i) {
      const auto value = pixel(drawn, i % width, i / width);
      plate += value == class_colour(0);
      ink += value[0] < 80;  // orange takes black letters
    }
    CHECK(plate > changed * 2 / 5);
    CHECK(ink > changed / 20);
    // Capitals of 1/65 of the diagonal, and seven pixels at least.
    const double capital = std::max(7.0, std::hypot(static_cast<double>(h), static_cast<double>(w)) / 65 - 1);
    CHECK(changed > capital * capital * 5);

    // Corners force plates inside; two on the same box must not hide each other.
    for (const vision::Box& box : {vision::Box{0, 0, w / 9, h / 9}, {w * 8 / 9, h * 8 / 9, w, h}, {0, 0, w, h}}) {
      const Image single = draw_detections(image, std::vector<Detection>{{box, 0, 0.98, {}}}, kLabels, options);
      int64_t alone = 0, both = 0;
      CHECK(changes_within(image, single, alone, [](int64_t, int64_t) { return true; }));
      CHECK(std::abs(alone - changed) <= changed / 100);
      const std::vector<Detection> twins(2, {box, 0, 0.98, {}});
      CHECK(changes_within(image, draw_detections(image, twins, kLabels, options), both,
                           [](int64_t, int64_t) { return true; }));
      CHECK(std::abs(both - 2 * changed) <= changed / 50);
    }
  }
}

TEST_CASE("tiny and grey images, unknown and foreign labels", "[datasets][draw]") {
  for (const int64_t side : {1, 2, 5, 12, 24, 40}) {
    const Image image = noise_image(side, side + 1, 1, 3);
    Detection detection = disc(side, side + 1, 1, 1, static_cast<double>(side));
    detection.label = 2;
    detection.score = 0.5;
    const Image drawn = draw_detections(image, std::vector{detection, detection}, kLabels);
    CHECK(drawn.channels == 3);
    CHECK(drawn.pixels.size() == static_cast<size_t>(side * (side + 1) * 3));
    CHECK(drawn.pixels != to_rgb(image).pixels);
  }
  const Image image = grey_image(200, 300);
  const std::vector<Detection> far{{{50, 50, 100, 100}, 123456, 1, {}}};
  CHECK(draw_detections(image, far, {}).pixels != draw_detections(image, far, {}, without_text()).pixels);
  const std::vector<Detection> first{{{50, 50, 100, 100}, 0, 1, {}}};
  const Image foreign = draw_detections(image, first, {"caf\xc3\xa9\n"});
  CHECK(foreign.pixels == draw_detections(image, first, {"caf??"}).pixels);
  CHECK(foreign.pixels != draw_detections(image, first, {"caf"}).pixels);
  CHECK(draw_detections(noise_image(9, 9, 1, 1), {}, {}).pixels == to_rgb(noise_image(9, 9, 1, 1)).pixels);
}

TEST_CASE("a name of any length is cut to the width of the image", "[datasets][draw]") {
  const Image image = grey_image(480, 640);
  const std::vector<Detection> one{{{10, 200, 90, 300}, 0, 0.5, {}}};
  const auto drawn_with = [&](size_t letters) {
    return draw_detections(image, one, {std::string(letters, 'm')}).pixels;
  };
  const auto start = std::chrono::steady_clock::now();
  const auto long_name = drawn_with(20'000);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
  CHECK(long_name != drawn_with(1));
  CHECK(long_name == drawn_with(2'000));
}

TEST_CASE("colours of classes differ", "[datasets][draw]") {
  CHECK(class_colour(0) == std::array<uint8_t, 3>{230, 159, 0});
  CHECK(class_colour(5) == std::array<uint8_t, 3>{213, 94, 0});
  std::set<std::array<uint8_t, 3>> colours;
  for (int64_t label = 0; label < 21; ++label) colours.insert(class_colour(label));
  CHECK(colours.size() == 21);
  CHECK(class_colour(21) == class_colour(0));
  CHECK_THROWS_AS(class_colour(-1), InvalidArgument);
}

TEST_CASE("what cannot be drawn is refused", "[datasets][draw]") {
  const Image image = grey_image(40, 50);
  const auto refusal = [&](auto change) {
    Detection detection = disc(40, 50, 20, 20, 9);
    DrawOptions options;
    change(detection, options);
    return message_of<Error>([&] { draw_detections(image, std::vector{detection}, kLabels, options); });
  };
  CHECK_THAT(refusal([](auto& d, auto&) { d.label = -1; }), Contains("detection 0 has the label -1"));
  CHECK_THAT(refusal([](auto& d, auto&) { d.box.x0 = std::numeric_limits<float>::infinity(); }), Contains("inf"));
  CHECK_THAT(refusal([](auto& d, auto&) { d.mask->width = 20; }), Contains("40x20") && Contains("40x50"));
  CHECK_THAT(refusal([](auto& d, auto&) { d.mask->counts.back() += 1; }), Contains("draw_detections"));
  CHECK_THAT(refusal([](auto&, auto& o) { o.mask_opacity = 2; }), Contains("mask_opacity is 2"));
  CHECK_THAT(refusal([](auto&, auto& o) { o.text_scale = -1; }), Contains("text_scale is -1"));
  CHECK_THROWS_AS(draw_detections(Image{}, {}, kLabels), InvalidArgument);
}

}  // namespace retentive::datasets
