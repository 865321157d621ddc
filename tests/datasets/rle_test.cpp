#include <random>

#include <datasets/files.h>
#include <datasets/rle.h>
#include <support/catch.h>
#include <support/fixture_file.h>

namespace retentive::datasets {
namespace {

using Catch::Contains;
using nlohmann::json;
using testing::message_of;

const json& fixture() {
  static const json content = testing::read_fixture_json("coco/rle.json");
  return content;
}

RleMask mask_of(const json& item, const char* key = "text") {
  return rle_from_text(item[key].get<std::string>(), item["size"][0], item["size"][1]);
}

void check_box(const vision::Box& box, const json& expected) {
  CHECK(box.x0 == expected[0].get<float>());
  CHECK(box.y0 == expected[1].get<float>());
  CHECK(box.width() == expected[2].get<float>());
  CHECK(box.height() == expected[3].get<float>());
}

TEST_CASE("masks have the same text, area and box as in pycocotools", "[coco]") {
  int with_rows = 0;
  for (const json& item : fixture()["masks"]) {
    const RleMask mask = mask_of(item);
    CHECK(rle_to_text(mask) == item["text"]);
    CHECK(rle_area(mask) == item["area"]);
    check_box(rle_box(mask), item["box"]);
    const auto pixels = rle_decode(mask);
    CHECK(rle_encode(pixels.data(), mask.height, mask.width) == mask);
    if (!item.contains("rows")) continue;
    ++with_rows;
    const auto rows = item["rows"].get<std::string>();
    REQUIRE(pixels.size() == rows.size());
    for (size_t i = 0; i < rows.size(); ++i) REQUIRE(pixels[i] == rows[i] - '0');
  }
  CHECK(with_rows >= 30);
}

TEST_CASE("masks of large images have the same text as in pycocotools", "[coco]") {
  for (const json& item : fixture()["circles"]) {
    const int64_t height = item["size"][0], width = item["size"][1];
    const int64_t y0 = item["circle"][0], x0 = item["circle"][1], radius = item["circle"][2];
    std::vector<uint8_t> pixels(static_cast<size_t>(height * width));
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        const int64_t distance = (y - y0) * (y - y0) + (x - x0) * (x - x0);
        pixels[y * width + x] = distance < radius * radius ? 255 : 0;
      }
    }
    const RleMask mask = rle_encode(pixels.data(), height, width);
    CHECK(rle_to_text(mask) == item["text"]);
    CHECK(rle_area(mask) == item["area"]);
    check_box(rle_box(mask), item["box"]);
  }
}

TEST_CASE("polygons are filled exactly as by pycocotools", "[coco]") {
  REQUIRE(fixture()["polygons"].size() >= 90);
  for (const json& item : fixture()["polygons"]) {
    INFO(item.dump());
    const auto polygons = item["polygons"].get<std::vector<std::vector<double>>>();
    const RleMask mask = rle_from_polygons(polygons, item["size"][0], item["size"][1]);
    CHECK(mask == mask_of(item));
  }
}

TEST_CASE("overlap and union are those of pycocotools", "[coco]") {
  for (const json& item : fixture()["pairs"]) {
    const RleMask a = mask_of(item, "a"), b = mask_of(item, "b");
    CHECK(rle_iou(a, b) == item["iou"].get<double>());
    CHECK(rle_iou(a, b, true) == item["crowd"].get<double>());
    CHECK(rle_union(std::vector{a, b}) == mask_of(item, "union"));
  }
  for (const json& item : fixture()["boxes"]) {
    const auto a = item["a"].get<CocoBox>(), b = item["b"].get<CocoBox>();
    CHECK(box_iou(a, b) == item["iou"].get<double>());
    CHECK(box_iou(a, b, true) == item["crowd"].get<double>());
  }
}

TEST_CASE("any mask survives every way through its runs", "[coco]") {
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    const int64_t height = random() % 40, width = random() % 40;
    const uint32_t dense = random() % 101, other_dense = random() % 101;
    std::vector<uint8_t> a(height * width), b(height * width), either(height * width);
    int64_t both = 0, count = 0;
    for (size_t p = 0; p < a.size(); ++p) {
      a[p] = random() % 100 < dense;
      b[p] = random() % 100 < other_dense;
      either[p] = a[p] | b[p];
      both += a[p] & b[p];
      count += either[p];
    }
    const RleMask mask_a = rle_encode(a.data(), height, width), mask_b = rle_encode(b.data(), height, width);
    CHECK(rle_decode(mask_a) == a);
    CHECK(rle_from_text(rle_to_text(mask_a), height, width) == mask_a);
    const RleMask all = rle_union(std::vector{mask_a, mask_b});
    CHECK(rle_decode(all) == either);
    CHECK(rle_area(all) == count);
    CHECK(rle_iou(mask_a, mask_b) == (both == 0 ? 0 : static_cast<double>(both) / static_cast<double>(count)));
  }
}

TEST_CASE("a rectangle's outline fills its pixels, in either direction and any number of times", "[coco]") {
  const std::vector<double> outline = {2, 1, 5, 1, 5, 4, 2, 4};
  const std::vector<double> backwards = {2, 4, 5, 4, 5, 1, 2, 1};
  const RleMask mask = rle_from_polygons({outline}, 6, 8);
  CHECK(rle_area(mask) == 9);
  CHECK(rle_box(mask) == vision::Box{2, 1, 5, 4});
  CHECK(rle_from_polygons({backwards}, 6, 8) == mask);
  CHECK(rle_from_polygons({outline, outline, backwards}, 6, 8) == mask);
  CHECK(rle_from_polygons({}, 6, 8).counts == std::vector<uint32_t>{48});
  std::vector<double> rounds;
  for (int i = 0; i < 100001; ++i) rounds.insert(rounds.end(), outline.begin(), outline.end());
  CHECK(rle_from_polygons({rounds}, 6, 8) == mask);  // an odd number of rounds
}

TEST_CASE("damaged masks are refused", "[coco]") {
  const auto refusal = [](const std::string& text, int64_t height, int64_t width) {
    return message_of<DataError>([&] { rle_from_text(text, height, width); });
  };
  CHECK_THAT(refusal("0a", 2, 3), Contains("cut off at character 2"));
  CHECK_THAT(refusal("0 ", 2, 3), Contains("does not belong there at character 1"));
  CHECK_THAT(refusal("oooooooo0", 2, 3), Contains("too long"));
  CHECK_THAT(refusal("O", 2, 3), Contains("run of -1 pixels at character 0"));
  CHECK_THAT(refusal("7", 2, 3), Contains("run of 7 pixels at character 0"));
  CHECK_THAT(refusal("5", 2, 3), Contains("sum to 5 but its size [2, 3] has 6 pixels"));
  CHECK_THAT(refusal("", 2, 3), Contains("sum to 0"));
  CHECK_THAT(message_of<DataError>([] { rle_decode({2, 2, {1, 4}}); }), Contains("sum to 5"));
  CHECK_THAT(message_of<DataError>([] { rle_box({2, 2, {1}}); }), Contains("sum to 1"));
  CHECK_THROWS_AS(rle_from_text("0", -1, 3), InvalidArgument);
  CHECK_THROWS_AS(rle_from_text("0", int64_t{1} << 40, int64_t{1} << 40), InvalidArgument);
  CHECK_THROWS_AS(rle_iou({2, 2, {4}}, {2, 3, {6}}), InvalidArgument);
  CHECK_THROWS_AS(rle_union({}), InvalidArgument);
}

TEST_CASE("hostile polygons are refused", "[coco]") {
  const auto refusal = [](const std::vector<double>& polygon) {
    return message_of<DataError>([&] { rle_from_polygons({polygon}, 4, 4); });
  };
  CHECK_THAT(refusal({1, 1, 2, 2}), Contains("4 values"));
  CHECK_THAT(refusal({1, 1, 2, 2, 3, 3, 4}), Contains("7 values"));
  CHECK_THAT(refusal({1, 1, NAN, 2, 3, 3}), Contains("nan"));
  CHECK_THAT(refusal({1, 1, 2, -1e7, 3, 3}), Contains("-10000000"));
}

}  // namespace
}  // namespace retentive::datasets
