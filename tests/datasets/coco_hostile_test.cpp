#include <datasets/coco_files.h>
#include <support/catch.h>

namespace retentive::datasets {
namespace {

using Catch::Contains;
using nlohmann::json;
using testing::coco_truth;
using testing::message_of;
using testing::read_coco_json;
using testing::TemporaryFolder;
using testing::write_text;

TEST_CASE("entries with wrong values are named", "[coco]") {
  const auto refusal = [](const std::string& pointer, const json& value) {
    json set = coco_truth();
    set[json::json_pointer(pointer)] = value;
    const std::string message = message_of<DataError>([&] { read_coco_json(set); });
    CHECK_THAT(message, Contains("[coco] ") && Contains("gt.json"));
    return message;
  };
  const std::string first = "/annotations/0/";
  CHECK_THAT(refusal(first + "bbox", {1, 2, "x", 4}),
             Contains(R"(annotations[0] (id 5) has "bbox" [1,2,"x",4]; [x, y, width, height])"));
  CHECK_THAT(refusal(first + "bbox", {1, 2, -3, 4}), Contains("at least 0"));
  CHECK_THAT(refusal(first + "bbox", {1, 2, 3}), Contains("[1,2,3]"));
  CHECK_THAT(refusal(first + "bbox", {1e308, 2, 1e308, 4}), Contains("finite"));
  CHECK_THAT(refusal(first + "area", -1), Contains(R"("area" -1)"));
  CHECK_THAT(refusal(first + "area", "big"), Contains("a finite number"));
  CHECK_THAT(refusal(first + "iscrowd", 2), Contains("0 or 1"));
  CHECK_THAT(refusal(first + "id", "five"), Contains("a whole number"));
  CHECK_THAT(refusal(first + "id", 6), Contains("annotations[1] (id 6) has the id of entry 0"));
  CHECK_THAT(refusal(first + "image_id", 99), Contains("annotation with id 5") && Contains("image_id 99"));
  CHECK_THAT(refusal(first + "image_id", 1.5), Contains("1.5"));
  CHECK_THAT(refusal(first + "image_id", uint64_t{1} << 63), Contains("9223372036854775808"));
  CHECK_THAT(refusal(first + "category_id", 1), Contains("category_id 1") && Contains("\"categories\""));
  CHECK_THAT(refusal("/annotations/3/bbox", nullptr), Contains("(id 8)") && Contains("bbox"));
  CHECK_THAT(refusal("/annotations/2", 4), Contains("annotations[2] is 4; an object"));
  CHECK_THAT(refusal("/annotations", {{"id", 1}}), Contains("\"annotations\" that is no list"));
  CHECK_THAT(refusal("/images/1/id", 20), Contains("images[1] (id 20) has the id of entry 0"));
  CHECK_THAT(refusal("/images/1/height", 0), Contains("1 to 65535"));
  CHECK_THAT(refusal("/images/1/width", 70000), Contains("70000"));
  CHECK_THAT(refusal("/images/1/file_name", 3), Contains("a text"));
  CHECK_THAT(refusal("/images", json::array()), Contains("has no images"));
  CHECK_THAT(refusal("/categories", json::array()), Contains("has no categories"));
  CHECK_THAT(refusal("/categories/1/id", 7), Contains("categories[1] (id 7)"));
  CHECK_THAT(refusal("/categories/1/name", nullptr), Contains("a text"));
}

TEST_CASE("damaged masks in a file are named", "[coco]") {
  const auto refusal = [](const json& mask) {
    json set = coco_truth();
    set["annotations"][1]["segmentation"] = mask;
    return message_of<DataError>([&] { read_coco_json(set); });
  };
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"size", {4, 5}}, {"counts", {4, 8, 9}}}, "sum to 21"},
      {{{"size", {4, 5}}, {"counts", {4, -8, 24}}}, "at least 0"},
      {{{"size", {4, 5}}, {"counts", {4294967296, 20}}}, "at least 0"},
      {{{"size", {4, 5}}, {"counts", {1.5, 18.5}}}, "whole numbers"},
      {{{"size", {4, 5}}, {"counts", "5"}}, "sum to 5"},
      {{{"size", {4, 5}}, {"counts", 20}}, "whole numbers"},
      {{{"size", {-4, 5}}, {"counts", "5"}}, "[-4, 5]"},
      {{{"size", {4, 5, 1}}, {"counts", "5"}}, "[height, width]"},
      {{{"counts", "5"}}, "[height, width]"},
      {{{"size", {5, 4}}, {"counts", {20}}}, "mask of 5 x 4"},
      {"5780", "list of outlines"},
      {{{1, 2, 3, 4, 5}}, "x0, y0"},
      {{{1, 2, 3, 4, "5", 6}}, "numbers"},
      {{{1, 2, 3, 4, 5, 1e300}}, "numbers"},
      {{1, 2, 3, 4, 5, 6}, "x0, y0"},
      {{{{{{1}}}}}, "nested too deeply"}};
  for (const auto& [mask, expected] : cases) {
    INFO(mask.dump());
    const std::string message = refusal(mask);
    CHECK_THAT(message, Contains("gt.json") && Contains(expected));
    CHECK((message.find("id 6") != std::string::npos || message.find("annotations[1]") != std::string::npos));
  }
}

TEST_CASE("files that are no such JSON are refused", "[coco]") {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& text) {
    write_text(folder / "x.json", text);
    return message_of<DataError>([&] { read_coco(folder / "x.json"); });
  };
  const std::string whole = coco_truth().dump();
  CHECK_THAT(refusal("[]"), Contains("is no annotation file"));
  CHECK_THAT(refusal("3"), Contains("is no annotation file"));
  CHECK_THAT(refusal(""), Contains("is empty"));
  CHECK_THAT(refusal("{}"), Contains("has no images"));
  CHECK_THAT(refusal(R"({"images": 4})"), Contains("\"images\" that is no list"));
  CHECK_THAT(refusal(R"({"images": [{"id": NaN}]})"), Contains("byte 20") && Contains("NaN"));
  CHECK_THAT(refusal(R"({"images": [{"id": 1e999}]})"), Contains("not valid JSON at byte"));
  CHECK_THAT(refusal("{\"images\": [{\"id\": 1, \"file_name\": \"\xff\"}]}"), Contains("not valid JSON"));
  CHECK_THAT(refusal(whole + "x"), Contains("not valid JSON"));
  for (size_t cut = 1; cut < whole.size(); cut += 7) {
    const std::string message = refusal(whole.substr(0, cut));
    INFO(cut << " " << message);
    CHECK_THAT(message, Contains("ends in the middle, after " + std::to_string(cut) + " bytes"));
  }
  CHECK_THAT(message_of<DataError>([&] { read_coco(folder / "none.json"); }), Contains("does not exist"));
  CHECK_THAT(message_of<DataError>([&] { read_coco(folder.path()); }), Contains("is a folder"));
  const auto result = [&](const std::string& text) {
    write_text(folder / "x.json", text);
    return message_of<DataError>([&] { read_coco_results(folder / "x.json"); });
  };
  CHECK_THAT(result("{}"), Contains("is no results file"));
  CHECK_THAT(result("[[1]]"), Contains("entry[0] is [1]; an object"));
  CHECK_THAT(result(R"([{"image_id": 1, "category_id": 2, "score": null, "bbox": [1, 2, 3, 4]}])"),
             Contains("entry[0] has \"score\" null"));
  CHECK_THAT(result(R"([{"image_id": 1, "category_id": 2, "score": 1}])"), Contains("entry[0] has no \"bbox\""));
}

TEST_CASE("mutated files are read or refused, never more", "[coco]") {
  const TemporaryFolder folder;
  const std::string whole = coco_truth().dump();
  uint32_t seed = 5;
  const auto next = [&](uint32_t bound) { return ((seed = seed * 1664525u + 1013904223u) >> 8) % bound; };
  const std::string letters = "0123456789-.,:[]{}\"eaN\\x\xff";
  int refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string text = whole;
    for (uint32_t edits = 1 + next(3); edits > 0; --edits) {
      text[next(static_cast<uint32_t>(text.size()))] = letters[next(static_cast<uint32_t>(letters.size()))];
    }
    write_text(folder / "x.json", text);
    try {
      const CocoAnnotations set = read_coco(folder / "x.json");
      for (const CocoAnnotation& item : set.annotations) {
        const CocoImage& image = set.images[item.image];
        annotation_mask(item, image.height, image.width);
      }
    } catch (const DataError& error) {
      ++refused;
      CHECK_THAT(std::string(error.what()), Contains("x.json"));
    }
  }
  CHECK(refused > 700);
}

}  // namespace
}  // namespace retentive::datasets
