#include <algorithm>
#include <array>
#include <cmath>
#include <future>
#include <iterator>
#include <set>

#include <torch/torch.h>

#include <datasets/coco.h>
#include <datasets/files.h>
#include <datasets/rle.h>
#include <models/detection/detect_dataset.h>
#include <models/pipelines/classifier.h>
#include <models/pipelines/detector.h>
#include <pipelines/detectors.h>
#include <pipelines/helpers.h>
#include <retention/base/error.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::Detector;
using models::DetectorOptions;
using models::ImageDetections;
using vision::Detection;

const std::vector<std::string> kLabels = {"ant", "bee", "cat"};
const std::vector<std::string> kDetectors = {"test_mask_rcnn", "test_retinanet", "test_faster_rcnn",
                                             "test_mask_rcnn_vir"};

bool operator==(const Detection& a, const Detection& b) {
  return a.box == b.box && a.label == b.label && a.score == b.score && a.mask == b.mask;
}

bool equal(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Detection& x, const Detection& y) { return x == y; });
}

Detector open(const TemporaryFolder& folder, const std::string& name, const DetectorOptions& options = {}) {
  return Detector::from_file(save_random_detector(folder / (name + ".safetensors"), name, kLabels), options);
}

TEST_CASE("Detector: boxes and masks lie in the image, whatever its size") {
  const TemporaryFolder folder;
  for (const auto& name : kDetectors) {
    const auto detector = open(folder, name);
    CHECK(detector.model_name() == name);
    CHECK(detector.labels() == kLabels);
    const bool masks = name.starts_with("test_mask");
    CHECK(detector.has_masks() == masks);
    size_t most = 0;
    std::set<int64_t> labels;
    for (const auto& [height, width, channels] :
         std::vector<std::array<int64_t, 3>>{{96, 128, 3}, {300, 500, 3}, {41, 60, 3}, {200, 77, 1}, {5, 400, 3}}) {
      INFO(name << " on " << height << "x" << width);
      const auto found = detector.detect(patch_image(height, width, channels, 5));
      most = std::max(most, found.size());
      double last = 1;
      for (const auto& [box, label, score, mask] : found) {
        CHECK((box.x0 >= 0 && box.y0 >= 0 && box.width() > 0 && box.height() > 0));
        CHECK((box.x1 <= static_cast<float>(width) && box.y1 <= static_cast<float>(height)));
        CHECK((label >= 0 && label < 3));
        CHECK((score >= 0.3 && score <= last));
        last = score;
        labels.insert(label);
        REQUIRE(mask.has_value() == masks);
        if (!masks) continue;
        CHECK((mask->height == height && mask->width == width));
        const auto within = datasets::rle_box(*mask);
        if (datasets::rle_area(*mask) == 0) continue;
        CHECK((within.x0 >= std::floor(box.x0) && within.x1 <= std::ceil(box.x1)));
        CHECK((within.y0 >= std::floor(box.y0) && within.y1 <= std::ceil(box.y1)));
      }
    }
    INFO(name);
    CHECK(most >= 5);
    CHECK(labels.size() >= 2);
  }
}

TEST_CASE("Detector: files, images in memory and sets of images give the same") {
  const TemporaryFolder folder;
  for (const std::string name : {"test_mask_rcnn", "test_retinanet"}) {
    DetectorOptions options;
    options.threads = 1;
    options.score_threshold = 0;
    const auto detector = open(folder, name, options);
    const auto image = patch_image(210, 330, 3, 8);
    datasets::write_image(folder / "a.png", image);
    const auto found = detector.detect(image);
    REQUIRE(found.size() >= 5);
    CHECK(equal(found, detector.detect(folder / "a.png")));

    datasets::CocoAnnotations truth;
    truth.images = {{17, 210, 330, "a.png"}};
    truth.categories = {{2, "ant", ""}, {4, "bee", ""}, {9, "cat", ""}};
    const auto loaded = models::load_model(folder / (name + ".safetensors"));
    const auto model = models::as_detector(loaded.model, name);
    const datasets::CocoDataset set(truth, folder.path());
    models::DetectDatasetOptions settings;
    settings.preprocessing = *loaded.card.preprocessing;
    const auto results = models::detect_dataset(*model, set, settings);
    REQUIRE(results.size() == found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      INFO(name << " " << i);
      CHECK(results[i].image_id == 17);
      CHECK(results[i].category_id == std::array{2, 4, 9}.at(static_cast<size_t>(found[i].label)));
      CHECK(results[i].score == Approx(found[i].score).epsilon(1e-3));
      const auto& box = results[i].box.value();
      CHECK(box[0] == Approx(found[i].box.x0).margin(0.02));
      CHECK(box[1] == Approx(found[i].box.y0).margin(0.02));
      CHECK(box[0] + box[2] == Approx(found[i].box.x1).margin(0.02));
      CHECK(box[1] + box[3] == Approx(found[i].box.y1).margin(0.02));
      CHECK(results[i].rle.has_value() == detector.has_masks());
    }
  }
}

TEST_CASE("Detector: the threshold and the classes take detections out, nothing else") {
  const TemporaryFolder folder;
  const auto image = patch_image(120, 170, 3, 11);
  DetectorOptions options;
  options.threads = 1;
  options.score_threshold = 0;
  const auto all = open(folder, "test_mask_rcnn", options).detect(image);
  const auto some = [&](auto&& wanted) {
    std::vector<Detection> result;
    std::copy_if(all.begin(), all.end(), std::back_inserter(result), wanted);
    return result;
  };
  const double middle = all.at(all.size() / 2).score;
  options.score_threshold = middle;
  const auto sure = open(folder, "test_mask_rcnn", options).detect(image);
  CHECK(sure.size() < all.size());
  CHECK(equal(sure, some([&](const Detection& found) { return found.score >= middle; })));

  options.score_threshold = 0;
  std::set<int64_t> present;
  for (const auto& found : all) present.insert(found.label);
  REQUIRE(present.size() >= 2);
  const int64_t one = *present.begin();
  options.classes = {kLabels[static_cast<size_t>(one)]};
  CHECK(equal(open(folder, "test_mask_rcnn", options).detect(image),
              some([&](const Detection& found) { return found.label == one; })));
  options.classes = kLabels;
  CHECK(equal(open(folder, "test_mask_rcnn", options).detect(image), all));
  options.classes = {"bee", "cats"};
  CHECK_THAT(message_of<ConfigError>([&] { open(folder, "test_mask_rcnn", options); }),
             Contains("\"cats\"") && Contains("\"cat\""));
  options.classes = {};
  for (const double threshold : {-0.1, 1.1, static_cast<double>(NAN)}) {
    options.score_threshold = threshold;
    CHECK_THAT(message_of<InvalidArgument>([&] { open(folder, "test_mask_rcnn", options); }),
               Contains("score_threshold"));
  }
}

TEST_CASE("Detector: an input that fails leaves the others alone and in order") {
  const TemporaryFolder folder;
  DetectorOptions options;
  options.threads = 1;
  const auto detector = open(folder, "test_mask_rcnn", options);
  std::vector<std::filesystem::path> paths;
  for (const uint32_t i : {0, 1, 2}) {
    paths.push_back(folder / ("image" + std::to_string(i) + ".png"));
    datasets::write_image(paths.back(), patch_image(60 + 20 * i, 90, 3, i + 1));
  }
  write_bytes(folder / "text.png", {'t', 'e', 'x', 't'});
  paths.insert(paths.begin() + 1, {folder / "text.png", folder / "absent.png"});
  std::vector<ImageDetections> items;
  detector.detect_each(paths, [&](ImageDetections&& item, const vision::Image& image) {
    CHECK(item.path == paths.at(items.size()).string());
    CHECK(item.error.has_value() == image.pixels.empty());
    CHECK((item.height == image.height && item.width == image.width));
    items.push_back(std::move(item));
  });
  REQUIRE(items.size() == 5);
  for (size_t i = 0; i < items.size(); ++i) {
    const bool broken = i == 1 || i == 2;
    REQUIRE(items[i].error.has_value() == broken);
    if (!broken) {
      CHECK(equal(items[i].detections, detector.detect(paths[i])));
      continue;
    }
    CHECK(items[i].detections.empty());
    CHECK(items[i].error->type == "DataError");
    CHECK_THAT(items[i].error->message, Contains(paths[i].filename().string()));
  }
  CHECK_FALSE(equal(items[0].detections, items[3].detections));
  detector.detect_each({}, [](ImageDetections&&, const vision::Image&) { FAIL("there is nothing to give"); });
  CHECK_THAT(message_of<DataError>([&] { detector.detect(folder / "absent.png"); }), Contains("absent.png"));
  CHECK_THAT(message_of<InvalidArgument>([&] { detector.detect(vision::Image{}); }), Contains("image"));
}

TEST_CASE("Detector: two threads may use one detector at once") {
  const TemporaryFolder folder;
  for (const std::string name : {"test_mask_rcnn", "test_retinanet"}) {
    DetectorOptions options;
    options.threads = 1;
    const auto detector = open(folder, name, options);
    std::vector<vision::Image> images;
    std::vector<std::vector<Detection>> alone;
    for (uint32_t i = 0; i < 4; ++i) {
      images.push_back(patch_image(70 + 30 * i, 150 - 10 * i, 3, 20 + i));
      alone.push_back(detector.detect(images.back()));
    }
    const auto all = [&](bool backwards) {
      int64_t same = 0;
      for (size_t i = 0; i < 8; ++i) {
        const size_t k = (backwards ? 7 - i : i) % 4;
        same += equal(detector.detect(images[k]), alone[k]);
      }
      return same;
    };
    auto other = std::async(std::launch::async, all, true);
    CHECK(all(false) == 8);
    CHECK(other.get() == 8);
  }
}

TEST_CASE("Detector: class names come from the caller, else the file, else the index") {
  const TemporaryFolder folder;
  const auto bare = save_random_detector(folder / "bare.safetensors", "test_retinanet", {});
  CHECK(Detector::from_file(bare).labels() == std::vector<std::string>{"class 0", "class 1", "class 2"});
  DetectorOptions options;
  options.labels = {"x", "y", "z"};
  CHECK(Detector::from_file(bare, options).labels() == options.labels);
  options.labels.pop_back();
  CHECK_THAT(message_of<ConfigError>([&] { Detector::from_file(bare, options); }),
             Contains("2 labels") && Contains("3 classes"));
}

TEST_CASE("Detector refuses what it cannot run and says what to do") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of<ConfigError>([] { Detector::from_name("retinanet_rmt_t"); }),
             Contains("retinanet_rmt_t") && Contains("retentive convert") && Contains("--weights") &&
                 Contains("Detector::from_file"));
  CHECK_THAT(message_of<ConfigError>([] { Detector::from_name("retinanet_rmt_x"); }), Contains("did you mean"));
  const auto classifier = save_random_model(folder / "c.safetensors", "test_rmt");
  CHECK_THAT(message_of<ConfigError>([&] { Detector::from_file(classifier); }),
             Contains("c.safetensors") && Contains("not a detector"));
  const auto weights = save_random_detector(folder / "d.safetensors", "test_mask_rcnn", kLabels);
  CHECK_THAT(message_of<ConfigError>([&] { models::Classifier::from_file(weights); }), Contains("test_mask_rcnn"));
  DetectorOptions options;
  options.model = "test_retinanet";
  CHECK_THAT(message_of<ConfigError>([&] { Detector::from_file(weights, options); }), Contains("test_retinanet"));
  options = {};
  options.threads = -1;
  CHECK_THAT(message_of<InvalidArgument>([&] { Detector::from_file(weights, options); }), Contains("threads"));
  CHECK_THAT(message_of<CheckpointError>([&] { Detector::from_file(folder / "none.safetensors"); }),
             Contains("none.safetensors"));
  options = {};
  options.max_pixels = 100;
  datasets::write_image(folder / "large.png", noise_image(10, 11, 3, 1));
  CHECK_THAT(message_of<DataError>([&] { Detector::from_file(weights, options).detect(folder / "large.png"); }),
             Contains("11x10"));
}

}  // namespace
}  // namespace retentive::testing
