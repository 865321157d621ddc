#include <filesystem>

#include <datasets/coco_eval.h>
#include <models/checkpoint.h>
#include <models/detection/detect_dataset.h>
#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/detector.h>
#include <models/registry.h>
#include <retention/nn/inference.h>
#include <support/catch.h>
#include <support/paths.h>

namespace retentive::testing {
namespace {

const std::filesystem::path kScenes = std::filesystem::path(source_dir()) / "assets/scenes";

TEST_CASE("the built-in detector finds the digits of the eight scenes, in every precision") {
  const auto truth = datasets::read_coco(kScenes / "scenes.json");
  const datasets::CocoDataset scenes(truth, kScenes);
  REQUIRE(scenes.size() == 8);
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
    INFO(enum_name(precision));
    const auto loaded = models::load_model(models::read_builtin_checkpoint(models::kDefaultDetector, "test"));
    const auto detector = models::as_detector(loaded.model, "test");
    nn::prepare_inference(*detector, {.precision = precision});
    models::DetectDatasetOptions options;
    options.preprocessing = loaded.card.preprocessing.value();
    const auto results = models::detect_dataset(*detector, scenes, options);
    const auto boxes = datasets::evaluate_coco(truth, results, datasets::CocoOverlap::bbox).stats;
    const auto masks = datasets::evaluate_coco(truth, results, datasets::CocoOverlap::segm).stats;
    WARN(enum_name(precision) << ": box AP " << boxes[0] << ", AP50 " << boxes[1] << ", mask AP " << masks[0]);
    CHECK(boxes[0] >= 0.88);
    CHECK(boxes[1] >= 0.98);
    CHECK(masks[0] >= 0.77);
  }
}

TEST_CASE("the default detector names digits and gives masks") {
  const auto detector = models::Detector::from_default();
  CHECK(detector.model_name() == models::kDefaultDetector);
  CHECK(detector.labels().size() == 10);
  CHECK(detector.has_masks());
  const auto found = detector.detect(kScenes / "000003.jpg");
  REQUIRE_FALSE(found.empty());
  for (const auto& object : found) {
    CHECK(object.score >= 0.3);
    REQUIRE(object.mask);
    CHECK(object.mask->height == 480);
    CHECK(object.mask->width == 640);
  }
}

}  // namespace
}  // namespace retentive::testing
