#include <datasets/coco_eval.h>
#include <datasets/files.h>
#include <support/catch.h>
#include <support/close.h>
#include <support/fixture_file.h>

namespace retentive::datasets {
namespace {

using Catch::Contains;
using nlohmann::json;
using testing::message_of;
using testing::TemporaryFolder;

constexpr double kTolerance = 1e-9;

void write_json(const std::filesystem::path& path, const json& value) { std::ofstream(path) << value; }

/// Two images of 40 x 60, two categories, one object each, the second a crowd.
json small_truth() {
  return json::parse(R"({
    "images": [{"id": 7, "file_name": "a.png", "height": 40, "width": 60},
               {"id": 3, "file_name": "b.png", "height": 40, "width": 60}],
    "categories": [{"id": 9, "name": "nine"}, {"id": 2, "name": "two"}],
    "annotations": [
      {"id": 1, "image_id": 7, "category_id": 9, "bbox": [10, 10, 20, 10], "area": 200, "iscrowd": 0,
       "segmentation": [[10, 10, 30, 10, 30, 20, 10, 20]]},
      {"id": 2, "image_id": 3, "category_id": 2, "bbox": [0, 0, 30, 30], "area": 900, "iscrowd": 1,
       "segmentation": {"size": [40, 60], "counts": [0, 1200, 1200]}}]})");
}

CocoAnnotations read_json(const json& truth) {
  const TemporaryFolder folder;
  write_json(folder / "gt.json", truth);
  return read_coco(folder / "gt.json");
}

CocoEval evaluate_json(const json& truth, const json& results, CocoOverlap type, const CocoEvalOptions& options = {}) {
  const TemporaryFolder folder;
  write_json(folder / "dt.json", results);
  return evaluate_coco(read_json(truth), read_coco_results(folder / "dt.json"), type, options);
}

TEST_CASE("scores equal those of pycocotools on random sets", "[coco]") {
  const json cases = testing::read_fixture_json("coco/eval.json");
  REQUIRE(cases.size() >= 200);
  testing::WorstDeviation worst("COCO scores against pycocotools");
  int64_t crowds = 0, overfull = 0, found = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const json& item = cases[i];
    for (const CocoOverlap type : {CocoOverlap::bbox, CocoOverlap::segm}) {
      const std::string name(enum_name(type));
      INFO("case " << i << " " << name);
      const CocoEval evaluation = evaluate_json(item["gt"], item["dt"], type, {.threads = 1 + static_cast<int>(i % 2)});
      const auto stats = item[name]["stats"].get<std::vector<double>>();
      CHECK(worst.add(name + " case " + std::to_string(i), testing::deviation(evaluation.stats, stats)) < kTolerance);
      std::vector<double> ap;
      for (const CocoClassScore& score : evaluation.per_class) ap.push_back(score.ap);
      CHECK(worst.add(name + " classes " + std::to_string(i), testing::deviation(ap, item[name]["ap"])) < kTolerance);
      found += stats[0] > 0.05;
    }
    for (const json& annotation : item["gt"]["annotations"]) crowds += annotation["iscrowd"].get<int64_t>();
    overfull += item["dt"].size() > 100;
  }
  CHECK(crowds > 100);
  CHECK(overfull > 10);
  CHECK(found > 150);
}

TEST_CASE("scores of a set worked out by hand", "[coco]") {
  // The box is exactly half covered: found at the threshold 0.5 alone, one in ten; the crowd is nothing to find.
  const json half = {{{"image_id", 7}, {"category_id", 9}, {"score", 0.5}, {"bbox", {10, 10, 10, 10}}},
                     {{"image_id", 3}, {"category_id", 2}, {"score", 0.9}, {"bbox", {5, 5, 10, 10}}}};
  const CocoEval evaluation = evaluate_json(small_truth(), half, CocoOverlap::bbox);
  const std::array<double, 12> expected = {0.1, 1, 0, 0.1, -1, -1, 0.1, 0.1, 0.1, 0.1, -1, -1};
  CHECK(testing::deviation(evaluation.stats, expected) < kTolerance);
  REQUIRE(evaluation.per_class.size() == 2);
  CHECK(evaluation.per_class[0].category_id == 2);
  CHECK(evaluation.per_class[0].name == "two");
  CHECK(evaluation.per_class[0].ap == -1);
  CHECK(evaluation.per_class[1].ap == Approx(0.1));
  // A better scored miss before a hit halves the precision at every recall.
  json missed = half;
  missed[0]["bbox"] = {10, 10, 20, 10};
  missed.push_back({{"image_id", 3}, {"category_id", 9}, {"score", 0.8}, {"bbox", {1, 1, 9, 9}}});
  const CocoEval after = evaluate_json(small_truth(), missed, CocoOverlap::bbox);
  CHECK(after.stats[0] == Approx(0.5));
  CHECK(after.stats[8] == Approx(1));
  const CocoEval masks = evaluate_json(small_truth(), missed, CocoOverlap::segm);
  CHECK(masks.stats[0] == Approx(0.5));
}

TEST_CASE("flat outlines, text ids and other categories score as in pycocotools", "[coco]") {
  const std::array<double, 12> expected = {0.70198, 0.752475, 0.752475, 0, 0.9, -1, 0.7, 0.7, 0.7, 0, 0.9, -1};
  for (const std::string name : {"flat_bbox", "string_ids", "other_classes"}) {
    INFO(name);
    const auto path = [&](const char* end) { return testing::fixture_path("cases/coco/" + name + end); };
    const CocoReadOptions boxes{.masks = false};
    const auto evaluation = evaluate_coco(read_coco(path(".gt.json"), boxes),
                                          read_coco_results(path(".dt.json"), boxes), CocoOverlap::bbox);
    CHECK(testing::deviation(evaluation.stats, expected) < 1e-5);
    CHECK(evaluation.dropped == (name == "other_classes"));
  }
  CHECK_THAT(message_of<DataError>([] { read_coco(testing::fixture_path("cases/coco/flat_bbox.gt.json")); }),
             Contains("annotations[0]") && Contains("segmentation"));
}

TEST_CASE("text ids stand in their order, and results of unknown categories never decide", "[coco]") {
  // Equal scores rank in the order of the ids: "a" misses before "b" hits.
  json truth = small_truth();
  truth["images"][0]["id"] = truth["annotations"][0]["image_id"] = "b";
  truth["images"][1]["id"] = truth["annotations"][1]["image_id"] = "a";
  json results = {{{"image_id", "b"}, {"category_id", 9}, {"score", 0.5}, {"bbox", {10, 10, 20, 10}}},
                  {{"image_id", "a"}, {"category_id", 9}, {"score", 0.5}, {"bbox", {1, 1, 9, 9}}}};
  CHECK(evaluate_json(truth, results, CocoOverlap::bbox).stats[0] == Approx(0.5));
  results.push_back({{"image_id", "a"}, {"category_id", 5}, {"score", 1}, {"bbox", {1, 1, 9, 9}}});
  const auto more = evaluate_json(truth, results, CocoOverlap::bbox);
  CHECK(more.stats[0] == Approx(0.5));
  CHECK(more.dropped == 1);
  CHECK(more.per_class.size() == 2);
  truth["images"][0]["id"] = "a";
  CHECK_THAT(message_of<DataError>([&] { read_json(truth); }), Contains("(id \"a\") has the id of entry 0"));
}

TEST_CASE("no results and empty sets have scores", "[coco]") {
  const CocoEval none = evaluate_json(small_truth(), json::array(), CocoOverlap::bbox);
  CHECK(none.stats == std::array<double, 12>{0, 0, 0, 0, -1, -1, 0, 0, 0, 0, -1, -1});
  json bare = small_truth();
  bare.erase("annotations");
  const json found = {{{"image_id", 7}, {"category_id", 9}, {"score", 0.5}, {"bbox", {1, 1, 1, 1}}}};
  const CocoEval nothing = evaluate_json(bare, found, CocoOverlap::segm);
  for (const double value : nothing.stats) CHECK(value == -1);
  CHECK(nothing.per_class[0].ap == -1);
}

TEST_CASE("thresholds and numbers of detections can be chosen", "[coco]") {
  json results = json::array();
  for (int i = 0; i < 4; ++i) {
    const json box = i == 3 ? json{10, 10, 20, 10} : json{40, 1, 4, 4};
    results.push_back({{"image_id", 7}, {"category_id", 9}, {"score", 0.9 - i * 0.1}, {"bbox", box}});
  }
  const CocoEval few =
      evaluate_json(small_truth(), results, CocoOverlap::bbox, {.max_dets = {1, 2, 3}, .iou_thresholds = {0.6}});
  CHECK(few.stats[0] == 0);
  CHECK(few.stats[1] == -1);  // 0.5 is not among the thresholds
  const CocoEval more =
      evaluate_json(small_truth(), results, CocoOverlap::bbox, {.max_dets = {1, 2, 4}, .iou_thresholds = {0.5, 1}});
  CHECK(more.stats[0] == Approx(0.25));
  CHECK(more.stats[7] == 0);
  CHECK(more.stats[8] == 1);
  const auto refused = [](const CocoEvalOptions& options) {
    return message_of<InvalidArgument>([&] { evaluate_coco({}, {}, CocoOverlap::bbox, options); });
  };
  CHECK_THAT(refused({.max_dets = {10, 1, 100}}), Contains("[10, 1, 100]"));
  CHECK_THAT(refused({.max_dets = {0, 1, 100}}), Contains("at least 1"));
  CHECK_THAT(refused({.iou_thresholds = {0.5, NAN}}), Contains("nan"));
}

TEST_CASE("the summary reads as COCO's tools write it", "[coco]") {
  CocoEval evaluation = evaluate_json(small_truth(), json::array(), CocoOverlap::bbox);
  evaluation.stats[0] = 0.51249;
  const std::string text = stats_text(evaluation);
  CHECK_THAT(text, Contains(" Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.512\n"));
  CHECK_THAT(text, Contains(" Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets=100 ] = 0.000\n"));
  CHECK_THAT(text, Contains(" Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.000\n"));
  CHECK_THAT(text, Contains(" Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = -1.000\n"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 12);
}

TEST_CASE("results that do not belong to the annotations are refused", "[coco]") {
  const auto refusal = [](const json& truth, const json& result, CocoOverlap type) {
    return message_of<DataError>([&] { evaluate_json(truth, json::array({result}), type); });
  };
  const json good = {{"image_id", 7}, {"category_id", 9}, {"score", 0.5}, {"bbox", {1, 1, 1, 1}}};
  json wrong = good;
  wrong["image_id"] = 8;
  CHECK_THAT(refusal(small_truth(), wrong, CocoOverlap::bbox),
             Contains("result 0 (image_id 8) has image_id 8") && Contains("gt.json"));
  wrong["category_id"] = 1;
  CHECK_THAT(refusal(small_truth(), wrong, CocoOverlap::bbox), Contains("has image_id 8"));
  wrong = good;
  wrong["image_id"] = "7";
  CHECK_THAT(refusal(small_truth(), wrong, CocoOverlap::bbox), Contains("has image_id \"7\""));
  wrong = good;
  wrong["segmentation"] = {{"size", {4, 6}}, {"counts", {24}}};
  CHECK_THAT(refusal(small_truth(), wrong, CocoOverlap::segm),
             Contains("result 0") && Contains("4 x 6") && Contains("image has 40 x 60"));
  wrong = good;
  wrong["bbox"] = {1, 1, 1e9, 1};
  CHECK_THAT(refusal(small_truth(), wrong, CocoOverlap::segm),
             Contains("result 0 of the image with id 7 has a damaged"));
  CocoAnnotations broken = read_json(small_truth());
  broken.annotations[1].image = 2;
  CHECK_THAT(message_of<InvalidArgument>([&] { evaluate_coco(broken, {}, CocoOverlap::bbox); }),
             Contains("annotation 1 is of image 2 and label 0; there are 2 images"));
  json bare = small_truth();
  bare["annotations"][0].erase("segmentation");
  CHECK_THAT(refusal(bare, good, CocoOverlap::segm),
             Contains("annotation with id 1 of the image with id 7 has no mask"));
  bare = small_truth();
  bare["images"][0].erase("width");
  CHECK_THAT(refusal(bare, good, CocoOverlap::segm), Contains("\"width\""));
  bare["images"][0].erase("height");
  CHECK_THAT(refusal(bare, good, CocoOverlap::segm), Contains("how large the image with id 7"));
  CHECK(evaluate_json(bare, json::array({good}), CocoOverlap::bbox).stats[0] == 0);
}

}  // namespace
}  // namespace retentive::datasets
