#include <support/catch.h>

#include <training/run_bits.h>
#include <training/synthetic_detection.h>

#include <cmath>

#include <datasets/coco_eval.h>
#include <models/checkpoint.h>
#include <models/detection/detect_dataset.h>
#include <models/registry.h>
#include <models/training/trainer.h>
#include <retention/base/error.h>
#include <nlohmann/json.hpp>

namespace retentive::models {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using testing::detection_run;
using testing::file_bytes;
using testing::run_and_stop;
using testing::ShapePictures;
using testing::TemporaryFolder;
using testing::trained_bits;

constexpr int64_t kStepsPerEpoch = 3;  // seven pictures with objects, two a batch, wide and high ones apart

std::vector<EpochReport> train(const RunConfig& config) {
  std::vector<EpochReport> epochs;
  TrainCallbacks callbacks;
  callbacks.epoch = [&](const EpochReport& report) { epochs.push_back(report); };
  CHECK(Trainer(config).run(callbacks).finished);
  return epochs;
}

}  // namespace

TEST_CASE("detectors learn shapes, and the best weights are what was measured", "[detection training]") {
  for (const std::string model : {"test_mask_rcnn", "test_retinanet"}) {
    INFO(model);
    const TemporaryFolder folder;
    auto config = detection_run(folder, model);
    config.schedule.epochs = 8;
    config.schedule.steps = {6};
    config.ema.decay = 0.5;
    const auto epochs = train(config);
    REQUIRE(epochs.size() == 8);
    CHECK(epochs.back().train_loss < 0.75 * epochs.front().train_loss);
    CHECK(epochs.back().lr == Approx(2e-4));
    CHECK(epochs.back().step == 8 * kStepsPerEpoch);
    CHECK(epochs.back().items == "images");
    for (const auto& scores : {epochs.back().raw, epochs.back().ema.value()}) {
      CHECK(scores.box_ap.has_value());
      CHECK(scores.box_ap50.has_value());
      CHECK(scores.mask_ap.has_value() == (model == "test_mask_rcnn"));
      CHECK_FALSE(scores.top1.has_value());
      CHECK_FALSE(scores.loss.has_value());
    }
    const auto loaded = load_model(fs::path(config.run.output_dir) / "best.safetensors");
    CHECK(loaded.card.labels == std::vector<std::string>{"square", "disc"});
    CHECK(loaded.card.preprocessing == config.preprocessing);
    CHECK(loaded.card.name == model);
    CHECK_THAT(loaded.card.notes, Contains("box AP") && Contains("on 4 images") && Contains("seed 5"));
    const auto detector = as_detector(loaded.model, "best");
    CHECK(detector->num_classes() == 2);

    double best = -1;
    for (const auto& epoch : epochs) {
      for (const auto& scores : {epoch.raw, *epoch.ema}) {
        best = std::max(best, scores.mask_ap ? (*scores.box_ap + *scores.mask_ap) / 2 : *scores.box_ap);
      }
    }
    const datasets::CocoDataset set(config.data.validation_labels, config.data.validation);
    DetectDatasetOptions options;
    options.preprocessing = *loaded.card.preprocessing;
    const auto results = detect_dataset(*detector, set, options);
    const auto truth = datasets::read_coco(config.data.validation_labels);
    const auto ap = [&](auto type) { return datasets::evaluate_coco(truth, results, type).stats[0]; };
    const auto boxes = ap(datasets::CocoOverlap::bbox);
    CHECK((model == "test_mask_rcnn" ? (boxes + ap(datasets::CocoOverlap::segm)) / 2 : boxes) == Approx(best));

    std::ifstream log(fs::path(config.run.output_dir) / "log.jsonl");
    std::string line;
    REQUIRE(std::getline(log, line));
    const auto entry = nlohmann::json::parse(line);
    CHECK(entry["validation"]["box_ap"] == epochs[0].raw.box_ap.value());
    CHECK(entry["validation"].contains("mask_ap") == (model == "test_mask_rcnn"));
  }
}

TEST_CASE("a resumed detector run equals the uninterrupted one bit for bit", "[detection training]") {
  for (const std::string model : {"test_mask_rcnn", "test_retinanet"}) {
    const TemporaryFolder folder;
    auto config = detection_run(folder, model, "whole");
    config.detection_augment.crop = 0.5;
    config.detection_augment.crop_shorter_sides = {64, 80};
    config.detection_augment.crop_size = {40, 72};
    config.detection_augment.shorter_sides = {48, 64};
    config.detection_augment.brightness = 0.2;
    config.ema.decay = 0.9;
    train(config);
    const auto expected = trained_bits(config.run.output_dir);
    for (const int64_t cut : {int64_t{1}, kStepsPerEpoch, 2 * kStepsPerEpoch - 1}) {
      INFO(model << " stopped after " << cut << " steps");
      config.run.output_dir = folder / ("cut" + std::to_string(cut));
      config.data.workers = cut % 2;
      const auto stopped = run_and_stop(config, cut);
      CHECK_FALSE(stopped.finished);
      CHECK(stopped.counters.step == cut);
      Trainer trainer(config);
      trainer.resume();
      CHECK(trainer.run().finished);
      CHECK(trained_bits(config.run.output_dir) == expected);
    }
    config.run.output_dir = folder / "seed";
    config.run.seed = 6;
    train(config);
    CHECK(trained_bits(config.run.output_dir) != expected);
  }
}

TEST_CASE("data and models that do not go together are refused", "[detection training]") {
  const TemporaryFolder folder;
  const auto good = detection_run(folder, "test_mask_rcnn");
  auto config = good;
  config.model.name = "test_rmt";
  CHECK_THROWS_WITH(Trainer(config), Contains("no detector") && Contains("mask_rcnn_rmt_t"));
  config = testing::synthetic_run(folder);
  config.model = {};
  config.model.name = "test_mask_rcnn";
  CHECK_THROWS_WITH(Trainer(config), Contains("\"coco\""));
  config = good;
  config.preprocessing->resize_longer = 0;
  CHECK_THROWS_WITH(Trainer(config), Contains("resize_longer"));
  config = good;
  config.preprocessing->mean = config.preprocessing->std = {0.5};
  CHECK_THROWS_WITH(Trainer(config), Contains("1 entries") && Contains("3 channels"));
  config = good;
  config.data.train_labels = folder / "absent.json";
  CHECK_THROWS_WITH(Trainer(config), Contains("absent.json"));
  config = good;
  ShapePictures other(3);
  other.add_picture(1);
  other.annotations().categories[1].name = "circle";
  other.write(folder / "other", folder / "other.json");
  config.data.validation = folder / "other";
  config.data.validation_labels = folder / "other.json";
  CHECK_THROWS_WITH(Trainer(config),
                    Contains("other.json") && Contains("\"circle\" (nearest: \"disc\")") && Contains("by name"));
  config = good;
  config.run.batch_size = 100;
  CHECK_THROWS_AS(Trainer(config), Error);
  CHECK_FALSE(fs::exists(good.run.output_dir));
}

TEST_CASE("twenty pictures are learned by heart", "[detection training][slow]") {
  for (const std::string model : {"test_mask_rcnn", "test_retinanet"}) {
    const TemporaryFolder folder;
    auto config = detection_run(folder, model);
    ShapePictures pictures(11);
    for (int64_t i = 0; i < 20; ++i) pictures.add_picture(1 + i % 2);
    pictures.write(folder / "twenty", folder / "twenty.json");
    config.data.train = config.data.validation = folder / "twenty";
    config.data.train_labels = config.data.validation_labels = folder / "twenty.json";
    config.schedule = {ScheduleKind::cosine, 40, 1, 1e-5};
    config.optimizer.lr = 4e-3;
    const auto result = Trainer(config).run();
    const auto& scores = result.counters.best.scores;
    std::printf("  %s on twenty pictures: %s\n", model.c_str(), scores_text(scores).c_str());
    CHECK(scores.box_ap50.value() >= 0.99);
    CHECK(scores.box_ap.value() >= 0.75);
    CHECK(scores.mask_ap.value_or(1) >= 0.75);
  }
}

}  // namespace retentive::models
