#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <datasets/detection_augment.h>
#include <datasets/detection_set.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::kDetection;
using testing::message_of;
using testing::rectangle;
using testing::white_objects;

namespace {

/// The tight box of object `index`'s mask; false when it is empty.
bool mask_box(const DetectionItem& item, size_t index, Box& box) {
  const int64_t height = item.resized.height, width = item.resized.width;
  box = {1e9f, 1e9f, -1, -1};
  const uint8_t* mask = item.masks.data() + static_cast<int64_t>(index) * height * width;
  for (int64_t i = 0; i < height * width; ++i) {
    if (!mask[i]) continue;
    const float x = static_cast<float>(i % width), y = static_cast<float>(i / width);
    box = {std::min(box.x0, x), std::min(box.y0, y), std::max(box.x1, x + 1), std::max(box.y1, y + 1)};
  }
  return box.x1 > 0;
}

double worst_side(const Box& a, const Box& b) {
  return std::max({std::abs(a.x0 - b.x0), std::abs(a.y0 - b.y0), std::abs(a.x1 - b.x1), std::abs(a.y1 - b.y1)});
}

/// How far white pixels of the image reach, at half brightness.
Box white_box(const Image& image) {
  Box box{1e9f, 1e9f, -1, -1};
  for (int64_t i = 0; i < image.height * image.width; ++i) {
    if (image.pixels[3 * i] < 128) continue;
    const float x = static_cast<float>(i % image.width), y = static_cast<float>(i / image.width);
    box = {std::min(box.x0, x), std::min(box.y0, y), std::max(box.x1, x + 1), std::max(box.y1, y + 1)};
  }
  return box;
}

DetectionAugment everything() {
  DetectionAugment augment;
  augment.shorter_sides = {48, 64, 80, 96};
  augment.longer_side = 160;
  augment.crop = 0.7;
  augment.crop_shorter_sides = {40, 60};
  augment.crop_size = {24, 50};
  return augment;
}

}  // namespace

TEST_CASE("without augmentation an example is the resized image", "[datasets][detection]") {
  auto sample = white_objects(60, 90, {rectangle({10, 20, 40, 50}, 3, 60, 90, false)});
  sample.objects.push_back(rectangle({0, 0, 90, 60}, 1, 60, 90, true));
  sample.objects[1].crowd = true;
  sample.objects.push_back(rectangle({5, 5, 5, 9}, 2, 60, 90, true));  // no area
  const auto [image, item] = detection_example(sample, kDetection, true);
  CHECK(image.pixels == resize_bilinear(sample.image, 80, 120).pixels);
  CHECK(item.resized == keep_ratio_size(60, 90, 80, 133));
  CHECK(item.original_height == 60);
  CHECK(item.original_width == 90);
  CHECK(item.image_id == 7);
  CHECK(item.name == "made.png");
  REQUIRE(item.boxes.size() == 2);
  CHECK(worst_side(item.boxes[0], {10 * 4 / 3.f, 20 * 4 / 3.f, 40 * 4 / 3.f, 50 * 4 / 3.f}) < 1e-4);
  CHECK(item.boxes[1] == Box{0, 0, 120, 80});
  CHECK(item.labels == std::vector<int64_t>{3, 1});
  CHECK(item.crowd == std::vector<uint8_t>{0, 1});
  REQUIRE(item.masks.size() == 2 * 80 * 120);
  CHECK(std::count(item.masks.begin() + 80 * 120, item.masks.end(), 1) == 80 * 120);
  CHECK(detection_example(sample, kDetection).item.masks.empty());
}

TEST_CASE("flips, crops and scales move image, boxes and masks together", "[datasets][detection]") {
  double worst_mask = 0, worst_image = 0;
  std::set<std::pair<int64_t, int64_t>> sizes;
  int mirrored_left = 0, cropped = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const auto sample = white_objects(70, 100, {rectangle({20, 10, 55, 60}, 4, 70, 100, seed % 2 == 1)});
    Rng rng(seed);
    const auto [image, item] = detection_example(sample, kDetection, everything(), true, rng);
    INFO("seed " << seed << " " << image.height << "x" << image.width);
    CHECK(image.height == item.resized.height);
    CHECK(image.width == item.resized.width);
    REQUIRE(item.boxes.size() == 1);
    REQUIRE(item.masks.size() == static_cast<size_t>(image.height * image.width));
    const Box& box = item.boxes[0];
    CHECK((box.x0 >= 0 && box.y0 >= 0 && box.x1 <= static_cast<float>(image.width) &&
           box.y1 <= static_cast<float>(image.height) && box.width() >= 1 && box.height() >= 1));
    Box tight;
    REQUIRE(mask_box(item, 0, tight));
    worst_mask = std::max(worst_mask, worst_side(tight, box));
    worst_image = std::max(worst_image, worst_side(white_box(image), box));
    sizes.insert({image.height, image.width});
    cropped += std::abs(item.resized.scale_x * 100 - static_cast<double>(image.width)) > 1;
    mirrored_left += box.x0 + box.x1 > static_cast<float>(image.width);
  }
  CHECK(worst_mask <= 1);
  CHECK(worst_image <= 3);  // two bilinear steps, up to 96/24 pixels for one
  CHECK(sizes.size() > 50);
  CHECK(cropped > 150);
  CHECK((mirrored_left > 75 && mirrored_left < 225));
}

TEST_CASE("a mirrored mask is the mask mirrored", "[datasets][detection]") {
  DetectionAugment augment;
  augment.hflip = 1;
  const auto sample = white_objects(80, 100, {rectangle({3, 7, 20, 60}, 0, 80, 100, true)});
  const auto plain = detection_example(sample, kDetection, true);
  Rng rng(1);
  const auto flipped = detection_example(sample, kDetection, augment, true, rng);
  CHECK(flipped.item.boxes[0] == Box{80, 7, 97, 60});
  for (int64_t y = 0; y < 80; ++y) {
    for (int64_t x = 0; x < 100; ++x) {
      REQUIRE(flipped.item.masks[y * 100 + x] == plain.item.masks[y * 100 + 99 - x]);
      REQUIRE(flipped.image.pixels[(y * 100 + x) * 3] == plain.image.pixels[(y * 100 + 99 - x) * 3]);
    }
  }
}

TEST_CASE("crops keep an object unless empty ones are accepted", "[datasets][detection]") {
  auto sample = white_objects(100, 100, {rectangle({2, 2, 9, 9}, 0, 100, 100, true)});
  sample.objects.push_back(rectangle({0, 0, 100, 100}, 1, 100, 100, true));
  sample.objects[1].crowd = true;
  DetectionAugment augment = everything();
  augment.crop = 1;
  augment.crop_size = {20, 30};
  const auto count = [&](bool accept, const DetectionSample& from, auto&& test) {
    augment.empty_crop = accept;
    int found = 0;
    for (uint64_t seed = 0; seed < 100; ++seed) {
      Rng rng(seed);
      found += test(detection_example(from, kDetection, augment, false, rng).item);
    }
    return found;
  };
  const auto has_object = [](const DetectionItem& item) {
    return std::count(item.crowd.begin(), item.crowd.end(), 0) == 1;
  };
  const auto is_whole = [](const DetectionItem& item) {
    return item.resized.scale_x * 100 == Approx(static_cast<double>(item.resized.width));
  };
  CHECK(count(false, sample, has_object) == 100);
  CHECK(count(false, sample, is_whole) < 80);  // few windows reach the corner
  CHECK(count(true, sample, has_object) < 70);
  sample.objects.erase(sample.objects.begin());
  CHECK(count(false, sample, is_whole) < 5);  // only a crowd: any window will do
}

TEST_CASE("objects of which a crop shows nothing are left out", "[datasets][detection]") {
  // An L whose box covers the image while its mask is a thin column and row.
  ObjectAnnotation corner;
  corner.box = {0, 0, 100, 100};
  corner.polygons = {{0, 0, 4, 0, 4, 96, 100, 96, 100, 100, 0, 100}};
  const auto sample = white_objects(100, 100, {rectangle({30, 30, 70, 70}, 1, 100, 100, false)});
  auto with_corner = sample;
  with_corner.objects.push_back(corner);
  DetectionAugment augment = everything();
  augment.crop = 1;
  int hidden = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Rng rng(seed);
    const auto item = detection_example(with_corner, kDetection, augment, true, rng).item;
    const int64_t pixels = item.resized.height * item.resized.width;
    for (size_t i = 0; i < item.boxes.size(); ++i) {
      CHECK(std::count(item.masks.begin() + i * pixels, item.masks.begin() + (i + 1) * pixels, 1) > 0);
    }
    hidden += std::count(item.labels.begin(), item.labels.end(), 0) == 0;
  }
  CHECK(hidden > 10);
}

TEST_CASE("small objects are left out, with their labels and masks", "[datasets][detection]") {
  const auto sample = white_objects(80, 100,
                                    {rectangle({1, 1, 4, 60}, 5, 80, 100, true),  //
                                     rectangle({10, 10, 50, 50}, 6, 80, 100, true)});
  DetectionAugment augment;
  augment.hflip = 0;
  augment.min_box_size = 3.5;
  Rng rng(1);
  const auto item = detection_example(sample, kDetection, augment, true, rng).item;
  CHECK(item.labels == std::vector<int64_t>{6});
  CHECK(item.crowd.size() == 1);
  CHECK(item.boxes == std::vector<Box>{{10, 10, 50, 50}});
  CHECK(item.masks.size() == 80 * 100);
}

TEST_CASE("colours change pixels alone", "[datasets][detection]") {
  auto sample = white_objects(80, 100, {rectangle({10, 10, 50, 50}, 6, 80, 100, true)});
  sample.image = testing::noise_image(80, 100, 3, 5);
  DetectionAugment augment;
  augment.hflip = 0;
  augment.brightness = augment.contrast = augment.saturation = 0.4;
  Rng first(1), again(1), other(2);
  const auto jittered = detection_example(sample, kDetection, augment, true, first);
  CHECK(jittered.item.boxes == detection_example(sample, kDetection, true).item.boxes);
  CHECK(jittered.image.pixels != sample.image.pixels);
  CHECK(jittered.image.pixels == detection_example(sample, kDetection, augment, true, again).image.pixels);
  CHECK(jittered.image.pixels != detection_example(sample, kDetection, augment, true, other).image.pixels);
}

TEST_CASE("tiny and grey images go through every augmentation", "[datasets][detection]") {
  const Preprocessing grey{.resize_shorter = 8, .crop = {1, 1}, .mean = {0}, .std = {1}, .resize_longer = 16};
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1}, {1, 300}, {300, 1}, {2, 3}}) {
    DetectionSample sample{testing::noise_image(height, width, 1, 2), {}, 0, "tiny"};
    sample.objects.push_back(rectangle({0, 0, 1, 1}, 0, height, width, true));
    for (uint64_t seed = 0; seed < 20; ++seed) {
      Rng rng(seed);
      const auto rgb = detection_example(sample, kDetection, everything(), true, rng);
      CHECK(rgb.image.channels == 3);
      CHECK(rgb.item.masks.size() == rgb.item.boxes.size() * rgb.image.height * rgb.image.width);
      CHECK(detection_example(sample, grey, everything(), true, rng).image.channels == 1);
    }
  }
}

TEST_CASE("damaged annotations are refused by name", "[datasets][detection]") {
  const auto refusal = [](auto change) {
    auto sample = white_objects(80, 100, {rectangle({10, 10, 50, 50}, 6, 80, 100, true)});
    change(sample);
    return message_of<Error>([&] { detection_example(sample, kDetection, true); });
  };
  CHECK_THAT(refusal([](auto& s) { s.objects[0].box.x1 = std::numeric_limits<float>::quiet_NaN(); }),
             Contains("object 0 of made.png") && Contains("nan"));
  CHECK_THAT(refusal([](auto& s) { s.objects[0].rle.reset(); }), Contains("has no mask"));
  CHECK_THAT(refusal([](auto& s) { s.objects[0].rle->height = 40; }), Contains("40x100"));
  CHECK_THAT(refusal([](auto& s) { s.image.pixels.pop_back(); }), Contains("[80, 100, 3]"));
}

TEST_CASE("augmentation fields are checked", "[datasets][detection]") {
  CHECK_NOTHROW(check_detection_augment({}));
  CHECK_NOTHROW(check_detection_augment(everything()));
  const auto refusal = [](auto change) {
    DetectionAugment augment = everything();
    change(augment);
    return message_of<ConfigError>([&] { check_detection_augment(augment); });
  };
  CHECK_THAT(refusal([](auto& a) { a.hflip = 1.5; }), Contains("hflip is 1.5"));
  CHECK_THAT(refusal([](auto& a) { a.crop = std::nan(""); }), Contains("crop is nan"));
  CHECK_THAT(refusal([](auto& a) { a.shorter_sides = {480, 0}; }), Contains("shorter_sides holds 0"));
  CHECK_THAT(refusal([](auto& a) { a.longer_side = -1; }), Contains("longer_side holds -1"));
  CHECK_THAT(refusal([](auto& a) { a.crop_shorter_sides.clear(); }), Contains("crop_shorter_sides is empty"));
  CHECK_THAT(refusal([](auto& a) { a.crop_size = {9, 8}; }), Contains("crop_size is [9, 8]"));
  CHECK_THAT(refusal([](auto& a) { a.contrast = -0.1; }), Contains("contrast is -0.1"));
  CHECK_THAT(refusal([](auto& a) { a.min_box_size = -1; }), Contains("min_box_size is -1"));
  std::set<std::string> names;
  DetectionAugment augment;
  DetectionAugment::visit(augment, [&](const char* name, auto&, const char* help) {
    CHECK(std::string(help).size() > 10);
    names.insert(name);
  });
  CHECK(names.size() == 11);
}

}  // namespace retentive::datasets
