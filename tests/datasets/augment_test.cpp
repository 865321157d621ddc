#include <cmath>
#include <set>
#include <type_traits>

#include <datasets/augment.h>
#include <datasets/files.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::message_of;
using testing::noise_image;

namespace {

const Preprocessing kSmall{.resize_shorter = 24, .crop = {24, 20}, .mean = {0, 0, 0}, .std = {1, 1, 1}};
const Preprocessing kGrey{.resize_shorter = 9, .crop = {9, 9}, .mean = {0}, .std = {1}};

std::vector<float> train(const Image& image, const Preprocessing& preprocessing, const AugmentConfig& config,
                         uint64_t seed) {
  std::vector<float> out(preprocessing.mean.size() * preprocessing.crop[0] * preprocessing.crop[1], NAN);
  Rng rng(seed);
  train_transform(image, preprocessing, config, rng, out.data());
  return out;
}

std::vector<float> evaluate(const Image& image, const Preprocessing& preprocessing) {
  std::vector<float> out(preprocessing.mean.size() * preprocessing.crop[0] * preprocessing.crop[1], NAN);
  evaluation_transform(image, preprocessing, out.data());
  return out;
}

AugmentConfig everything() {
  AugmentConfig config;
  config.random_resized_crop = true;
  config.hflip = 0.5;
  config.rotate = 15;
  config.translate = 0.1;
  config.affine_scale = {0.9, 1.1};
  config.shear = 5;
  config.brightness = config.contrast = config.saturation = 0.4;
  config.random_erasing = 0.5;
  return config;
}

}  // namespace

TEST_CASE("uniform draws are the same everywhere and without bias", "[datasets]") {
  Rng rng;
  CHECK(uniform(rng) == 14514284786278117030u / 2048 * 0x1.0p-53);  // the first value of mt19937_64 by the standard
  std::vector<int> counts(6);
  for (int i = 0; i < 60000; ++i) ++counts[uniform_below(rng, 6)];
  for (const int count : counts) CHECK(std::abs(count - 10000) < 400);  // four standard deviations
  CHECK(uniform_below(rng, 1) == 0);
  CHECK_THROWS_AS(uniform_below(rng, 0), InvalidArgument);
  std::set<uint64_t> seeds;
  for (uint64_t a = 0; a < 10; ++a) {
    for (uint64_t b = 0; b < 10; ++b) {
      for (uint64_t c = 0; c < 10; ++c) seeds.insert(derive_seed(a, b, c));
    }
  }
  CHECK(seeds.size() == 1000);
}

TEST_CASE("without augmentation training input is evaluation input", "[datasets]") {
  const Image image = noise_image(40, 51, 3, 4);
  CHECK(train(image, kSmall, {}, 1) == evaluate(image, kSmall));
  CHECK(train(image, kGrey, {}, 1) == evaluate(image, kGrey));
}

TEST_CASE("augmentation depends on the generator alone", "[datasets]") {
  const Image image = noise_image(40, 51, 3, 4);
  std::set<std::vector<float>> results;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto once = train(image, kSmall, everything(), seed);
    CHECK(once == train(image, kSmall, everything(), seed));
    for (const float value : once) REQUIRE((value >= 0 && value <= 1));
    results.insert(once);
  }
  CHECK(results.size() == 20);
}

TEST_CASE("a flip mirrors columns", "[datasets]") {
  AugmentConfig config;
  config.hflip = 1;
  const Image image = noise_image(24, 20, 3, 8);
  const auto plain = evaluate(image, {.resize_shorter = 20, .crop = {24, 20}, .mean = {0, 0, 0}, .std = {1, 1, 1}});
  const auto mirrored =
      train(image, {.resize_shorter = 20, .crop = {24, 20}, .mean = {0, 0, 0}, .std = {1, 1, 1}}, config, 1);
  for (int row = 0; row < 3 * 24; ++row) {
    for (int x = 0; x < 20; ++x) REQUIRE(mirrored[row * 20 + x] == plain[row * 20 + 19 - x]);
  }
}

TEST_CASE("affine warps move what they should", "[datasets]") {
  Image image{9, 9, 1, std::vector<uint8_t>(81)};
  image.pixels[4 * 9 + 6] = 200;  // two columns right of the middle
  AugmentConfig zoom;
  zoom.affine_scale = {2, 2};
  const auto doubled = train(image, kGrey, zoom, 1);
  CHECK(doubled[4 * 9 + 8] == 200 / 255.0f);  // four columns right
  CHECK(doubled[4 * 9 + 7] == 100 / 255.0f);  // half-way to its black neighbour

  // A rotation keeps the distance from the middle: the centre of mass stays on a circle of radius 2.
  AugmentConfig turn;
  turn.rotate = 180;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const auto turned = train(image, kGrey, turn, seed);
    double mass = 0, x = 0, y = 0;
    for (int i = 0; i < 81; ++i) mass += turned[i], x += turned[i] * (i % 9 - 4), y += turned[i] * (i / 9 - 4);
    CHECK(std::hypot(x, y) / mass == Approx(2).margin(0.25));
  }

  AugmentConfig shift;
  shift.translate = 0.2;  // at most 1.8 pixels either way
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const auto moved = train(image, kGrey, shift, seed);
    double mass = 0, x = 0, y = 0;
    for (int i = 0; i < 81; ++i) mass += moved[i], x += moved[i] * (i % 9 - 4), y += moved[i] * (i / 9 - 4);
    CHECK(std::abs(x / mass - 2) <= 1.81);
    CHECK(std::abs(y / mass) <= 1.81);
    CHECK(mass == Approx(200 / 255.0).margin(0.01));
  }
}

TEST_CASE("colour factors stay within their range", "[datasets]") {
  const Image image{2, 2, 3, {40, 80, 120, 40, 80, 120, 40, 80, 120, 40, 80, 120}};
  const Preprocessing plain{.resize_shorter = 2, .crop = {2, 2}, .mean = {0, 0, 0}, .std = {1, 1, 1}};
  AugmentConfig config;
  config.brightness = 0.5;
  double low = 9, high = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const double factor = train(image, plain, config, seed)[4] * 255 / 80;
    low = std::min(low, factor);
    high = std::max(high, factor);
  }
  CHECK(low >= 0.49);
  CHECK(low < 0.53);
  CHECK(high <= 1.51);
  CHECK(high > 1.47);

  AugmentConfig saturate;
  saturate.saturation = 1;  // a factor from 0 (grey) to 2; luminance is kept
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto out = train(image, plain, saturate, seed);
    const double luminance = 255 * (0.299 * out[0] + 0.587 * out[4] + 0.114 * out[8]);
    CHECK(luminance == Approx(0.299 * 40 + 0.587 * 80 + 0.114 * 120).margin(1.1));
  }
}

TEST_CASE("random erasing sets one box to the mean", "[datasets]") {
  const Image image = to_rgb({24, 20, 1, std::vector<uint8_t>(480, 255)});
  AugmentConfig config;
  config.random_erasing = 1;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const auto out = train(image, kSmall, config, seed);
    int64_t count = 0, top = 99, left = 99, bottom = -1, right = -1;
    for (int64_t i = 0; i < 480; ++i) {
      REQUIRE((out[i] == 0 || out[i] == 1));
      REQUIRE(out[i] == out[i + 960]);
      if (out[i] == 1) continue;
      ++count;
      top = std::min(top, i / 20), bottom = std::max(bottom, i / 20);
      left = std::min(left, i % 20), right = std::max(right, i % 20);
    }
    REQUIRE(count == (bottom - top + 1) * (right - left + 1));
    CHECK(count >= 480 * 0.02 * 0.6);
    CHECK(count <= 480 * 0.33 * 1.2);
  }
}

TEST_CASE("random boxes have the area asked for", "[datasets]") {
  // On a horizontal ramp the span of the crop's values is its width.
  Image ramp{100, 200, 1, std::vector<uint8_t>(20000)};
  for (int64_t i = 0; i < 20000; ++i) ramp.pixels[i] = static_cast<uint8_t>(i % 200);
  AugmentConfig config;
  config.random_resized_crop = true;
  config.crop_scale = {0.125, 0.125};
  config.crop_ratio = {1, 1};
  std::set<int> starts;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto out = train(ramp, kGrey, config, seed);
    CHECK((out[8] - out[0]) * 255 / (8.0 / 9) == Approx(50).margin(5));
    starts.insert(static_cast<int>(std::lround(out[0] * 255)));
  }
  CHECK(starts.size() > 15);
}

TEST_CASE("augmentation fields are listed once, checked and off by default", "[datasets]") {
  AugmentConfig config;
  std::vector<std::string> names;
  AugmentConfig::visit(config, [&](const char* name, auto& value, const char* help) {
    names.push_back(name);
    CHECK(std::string(help).size() > 10);
    if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, std::array<double, 2>>) CHECK(value == 0);
  });
  CHECK(names.size() == 17);
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
  CHECK_NOTHROW(check_augment(config));
  CHECK_NOTHROW(check_augment(everything()));
  config.hflip = 1.5;
  CHECK_THAT(message_of<ConfigError>([&] { check_augment(config); }), Contains("hflip is 1.5"));
  config = {};
  config.crop_scale = {0.5, 0.2};
  CHECK_THAT(message_of<ConfigError>([&] { check_augment(config); }), Contains("crop_scale is [0.5"));
  config = {};
  config.mixup = NAN;
  CHECK_THAT(message_of<ConfigError>([&] { check_augment(config); }), Contains("mixup is nan"));
}

}  // namespace retentive::datasets
