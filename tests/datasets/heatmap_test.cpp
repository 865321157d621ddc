#include <algorithm>
#include <cmath>
#include <limits>

#include <datasets/files.h>
#include <datasets/heatmap.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::message_of;
using testing::noise_image;

namespace {

using Colour = std::array<int, 3>;

Colour pixel(const Image& image, int64_t row, int64_t column) {
  const uint8_t* p = image.pixels.data() + (row * image.width + column) * 3;
  return {p[0], p[1], p[2]};
}

// Relative luminance of an sRGB colour.
double luminance(const Colour& colour) {
  const auto linear = [](int value) {
    const double v = value / 255.0;
    return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}

Image flat_image(int64_t height, int64_t width, uint8_t value) {
  return {height, width, 3, std::vector<uint8_t>(height * width * 3, value)};
}

}  // namespace

TEST_CASE("colour maps: ends, middle and order", "[datasets][heatmap]") {
  FloatMap ramp{1, 256, {}};
  for (int i = 0; i < 256; ++i) ramp.values.push_back(static_cast<float>(i));
  const Image inferno = colour_map(ramp, {.low = 0, .high = 255});
  REQUIRE((inferno.height == 1 && inferno.width == 256 && inferno.channels == 3));
  CHECK(pixel(inferno, 0, 0) == Colour{0, 0, 4});
  const auto bright = pixel(inferno, 0, 255);
  CHECK((bright[0] > 240 && bright[1] > 240 && bright[2] > 150 && bright[2] < 180));
  for (int i = 1; i < 256; ++i) {
    INFO(i);
    CHECK(luminance(pixel(inferno, 0, i)) >= luminance(pixel(inferno, 0, i - 1)) - 1e-3);
  }
  const FloatMap signs{1, 5, {-9, -1, 0, 1, 9}};
  const Image diverging = colour_map(signs, {.low = -1, .high = 1, .colours = ColourMap::blue_orange});
  CHECK(pixel(diverging, 0, 0) == Colour{150, 210, 255});
  CHECK(pixel(diverging, 0, 1) == pixel(diverging, 0, 0));
  CHECK(pixel(diverging, 0, 3) == Colour{255, 210, 150});
  const auto middle = pixel(diverging, 0, 2);
  CHECK(*std::max_element(middle.begin(), middle.end()) <= 12);
}

TEST_CASE("a logarithmic scale gives equal factors equal steps", "[datasets][heatmap]") {
  const FloatMap decades{1, 5, {0, 1e-4f, 1e-1f, 1, 3}};
  const FloatMap steps{1, 5, {0, 0, 0.75f, 1, 1}};
  CHECK(colour_map(decades, {.low = 1e-4, .high = 1, .logarithmic = true}).pixels == colour_map(steps, {}).pixels);
}

TEST_CASE("colours refuse what is no number or no scale", "[datasets][heatmap]") {
  const FloatMap good{1, 2, {0, 1}};
  CHECK_THAT(message_of<InvalidArgument>([] { colour_map({2, 2, {1, 2, 3}}, {}); }), Contains("2x2") && Contains("3"));
  const FloatMap bad{1, 1, {std::numeric_limits<float>::quiet_NaN()}};
  CHECK_THAT(message_of<InvalidArgument>([&] { colour_map(bad, {}); }), Contains("nan"));
  CHECK_THAT(message_of<InvalidArgument>([&] { colour_map(good, {.low = 1, .high = 1}); }), Contains("rising"));
  CHECK_THROWS_AS(colour_map(good, {.low = 0, .high = 1, .logarithmic = true}), InvalidArgument);
  CHECK_THROWS_AS(colour_components({good, good, FloatMap{2, 1, {0, 1}}}), InvalidArgument);
}

TEST_CASE("components become red, green and blue around grey", "[datasets][heatmap]") {
  // Root mean squares 2 and 1: full at 4 and 2.
  const FloatMap red{1, 4, {-4, 0, 0, 0}}, green{1, 4, {0, 1, 1, std::sqrt(2.0f)}};
  const FloatMap noise{1, 4, {1e-5f, -1e-5f, 0, 0}};
  const Image image = colour_components({red, green, noise});
  CHECK(pixel(image, 0, 0) == Colour{0, 128, 128});
  CHECK(pixel(image, 0, 1) == Colour{128, 191, 128});
  CHECK(pixel(image, 0, 3) == Colour{128, 218, 128});
  const FloatMap peak{1, 5, {5, 0, 0, 0, 0}};
  CHECK(pixel(colour_components({peak, peak, peak}), 0, 0) == Colour{255, 255, 255});
}

TEST_CASE("maps stretch to cells, or smoothly between their centres", "[datasets][heatmap]") {
  const FloatMap map{2, 2, {0, 4, 8, 12}};
  const FloatMap cells = stretch_map(map, 4, 4, 2, false);
  CHECK(cells.values == std::vector<float>{0, 0, 4, 4, 0, 0, 4, 4, 8, 8, 12, 12, 8, 8, 12, 12});
  // Centres at 1 and 3: pixel 0.5 is beyond the first, 1.5 a quarter on, 2.5 three quarters.
  const FloatMap smooth = stretch_map(map, 4, 4, 2, true);
  CHECK(std::vector<float>(smooth.values.begin(), smooth.values.begin() + 4) == std::vector<float>{0, 1, 3, 4});
  CHECK(smooth.at(1, 1) == 3);
  CHECK(smooth.at(3, 3) == 12);
  // Cells beyond the picture are cut.
  CHECK(stretch_map(map, 3, 3, 2, false).values == std::vector<float>{0, 0, 4, 0, 0, 4, 8, 8, 12});
  CHECK_THROWS_AS(stretch_map(map, 0, 3, 2, false), InvalidArgument);
  CHECK_THROWS_AS(stretch_map(map, 3, 3, 0, false), InvalidArgument);
}

TEST_CASE("blending keeps the picture's light and the map's colours", "[datasets][heatmap]") {
  const Image picture{1, 1, 3, {255, 0, 0}}, cover{1, 1, 3, {0, 100, 200}};
  CHECK(blend(picture, cover, 1).pixels == cover.pixels);
  CHECK(pixel(blend(picture, cover, 0), 0, 0) == Colour{76, 76, 76});  // luminance of red
  CHECK(pixel(blend(picture, cover, 0.5), 0, 0) == Colour{38, 88, 138});
  CHECK_THROWS_AS(blend(picture, flat_image(1, 2, 0), 0.5), InvalidArgument);
  CHECK_THROWS_AS(blend(picture, cover, 1.5), InvalidArgument);
}

TEST_CASE("small pictures are enlarged pixel by pixel, others resampled", "[datasets][heatmap]") {
  const Image small = noise_image(2, 3, 1, 4);
  const Image large = fit_picture(small, 14);
  REQUIRE((large.height == 8 && large.width == 12 && large.channels == 1));
  for (int64_t y = 0; y < 8; ++y) {
    for (int64_t x = 0; x < 12; ++x) CHECK(large.pixels[y * 12 + x] == small.pixels[y / 4 * 3 + x / 4]);
  }
  const Image wide = fit_picture(noise_image(50, 200, 3, 5), 100);
  CHECK((wide.height == 25 && wide.width == 100));
  CHECK_THROWS_AS(fit_picture(small, 0), InvalidArgument);
}

TEST_CASE("a frame changes the surroundings of its cell's edges alone", "[datasets][heatmap]") {
  Image image = flat_image(60, 80, 127);
  frame_cell(image, 1, 2, 20);
  CHECK(pixel(image, 30, 50) == Colour{127, 127, 127});
  CHECK(pixel(image, 10, 10) == Colour{127, 127, 127});
  CHECK(pixel(image, 20, 50) == Colour{255, 255, 255});
  CHECK(pixel(image, 30, 40) == Colour{255, 255, 255});
  CHECK(pixel(image, 18, 50) == Colour{0, 0, 0});
  frame_cell(image, 2, 3, 20);  // at the corner: what lies outside is left out
}

TEST_CASE("tiles stand row by row with titles and a scale", "[datasets][heatmap]") {
  const Image red{40, 60, 3, [] {
                    std::vector<uint8_t> pixels;
                    for (int i = 0; i < 40 * 60; ++i) pixels.insert(pixels.end(), {200, 10, 10});
                    return pixels;
                  }()};
  const std::vector<Tile> three(3, Tile{red, ""});
  const Image plain = tile_pictures(three, 2);
  CHECK((plain.height == 14 + 2 * (40 + 14) && plain.width == 14 + 2 * (60 + 14)));
  CHECK(pixel(plain, 14, 14) == Colour{200, 10, 10});
  CHECK(pixel(plain, 53, 73) == Colour{200, 10, 10});
  CHECK(pixel(plain, 14, 88) == Colour{200, 10, 10});
  CHECK(pixel(plain, 68, 14) == Colour{200, 10, 10});
  CHECK(pixel(plain, 68, 88) == pixel(plain, 0, 0));  // there is no fourth
  const Image titled = tile_pictures(std::vector<Tile>(3, Tile{red, "head 1"}), 2);
  CHECK(titled.height > plain.height);
  int64_t letters = 0;
  for (int64_t x = 14; x < 74; ++x) letters += pixel(titled, 24, x) != pixel(titled, 0, 0);
  CHECK(letters > 5);
  const Image scaled = tile_pictures(three, 2, ColourScale{.low = 0, .high = 1});
  CHECK(scaled.height > plain.height);
  CHECK(pixel(scaled, plain.height + 5, 14) == Colour{0, 0, 4});
  CHECK(luminance(pixel(scaled, plain.height + 5, scaled.width - 15)) > 0.8);
  const auto bars = with_side_bars(red, flat_image(40, 10, 1), flat_image(10, 60, 2));
  CHECK((bars.height == 54 && bars.width == 74));
  CHECK(pixel(bars, 0, 0) == Colour{1, 1, 1});
  CHECK(pixel(bars, 0, 14) == Colour{200, 10, 10});
  CHECK(pixel(bars, 53, 73) == Colour{2, 2, 2});
  CHECK_THROWS_AS(tile_pictures({}, 2), InvalidArgument);
  CHECK_THROWS_AS(tile_pictures(three, 0), InvalidArgument);
}

TEST_CASE("the radius of a share, and the mean of maps", "[datasets][heatmap]") {
  const FloatMap cross{3, 3, {0, 1, 0, 1, 4, 1, 0, 1, 0}};  // half in the middle, the rest one cell on
  CHECK(radius_of_share(cross, 1, 1, 0.5) == 0);
  CHECK(radius_of_share(cross, 1, 1, 0.51) == 1);
  CHECK(radius_of_share(cross, 1, 1, 1) == 1);
  CHECK(radius_of_share(cross, 0, 0, 1) == Approx(std::sqrt(5)));
  CHECK(radius_of_share({1, 2, {0, 0}}, 0, 0, 0.5) == 0);
  MapMean mean;
  CHECK_THROWS_AS(mean.mean(), StateError);
  mean.add({1, 2, {1, 5}});
  mean.add({1, 2, {2, -5}});
  CHECK(mean.count() == 2);
  CHECK(mean.mean().values == std::vector<float>{1.5f, 0});
  CHECK_THROWS_AS(mean.add({2, 1, {1, 5}}), InvalidArgument);
}

}  // namespace retentive::datasets
