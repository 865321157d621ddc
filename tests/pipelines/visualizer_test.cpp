#include <cmath>

#include <datasets/image_io.h>
#include <models/pipelines/classifier.h>
#include <models/pipelines/visualizer.h>
#include <pipelines/detectors.h>
#include <pipelines/helpers.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::Visualizer;
using models::VisualKind;

using Kinds = std::vector<std::string>;

Kinds kinds_of(const Visualizer& model) {
  Kinds names;
  for (const auto kind : model.kinds()) names.emplace_back(enum_name(kind));
  return names;
}

float sum_of(const datasets::FloatMap& map) {
  float sum = 0;
  for (const float value : map.values) sum += value;
  return sum;
}

TEST_CASE("Visualizer: kinds, places and maps of an RMT") {
  const TemporaryFolder folder;
  const auto model = Visualizer::from_file(save_random_model(folder / "w.safetensors", "test_rmt"));
  CHECK(kinds_of(model) == Kinds{"decay", "attention", "receptive-field", "grad-cam", "features"});
  const auto image = noise_image(260, 300, 3, 5);  // seen at 224 x 224: grids of 56, 28, 14 and 7
  const auto view = model.view(image);
  REQUIRE((view.channels == 3 && view.height == view.width));
  const auto side = view.height;

  const auto decay = model.decay(image, {.stage = 1, .block = {}, .token = {{2, 3}}});
  REQUIRE(decay.heads.size() == 2);
  CHECK(decay.spot.height == (side + 3) / 4);
  CHECK(decay.heads[0].gamma == Approx(0.75));  // 1 - 2^-2
  CHECK(decay.heads[0].half_distance == Approx(2.40942));
  CHECK(decay.heads[0].map.at(2, 3) == 1);
  CHECK(decay.heads[0].map.at(0, 4) == Approx(std::pow(0.75, 3)));
  CHECK(decay.heads[1].gamma == Approx(0.9375));  // range 4 over 2 heads: 1 - 2^-4

  const auto decomposed = model.attention(image, {.stage = 2, .block = 1, .token = {{1, 2}}});
  REQUIRE(decomposed.heads.size() == 2);
  for (const auto& head : decomposed.heads) {
    CHECK(sum_of(head.map) == Approx(1).margin(1e-5));
    CHECK((head.row.height == 1 && head.row.width == head.map.width));
    CHECK((head.column.width == 1 && head.column.height == head.map.height));
    CHECK(sum_of(head.row) == Approx(1).margin(1e-5));
    CHECK(sum_of(head.column) == Approx(1).margin(1e-5));
    CHECK(head.map.at(1, 2) == Approx(head.column.at(1, 0) * head.row.at(0, 2)));
    CHECK(head.largest == *std::max_element(head.map.values.begin(), head.map.values.end()));
  }
  const auto full = model.attention(image, {.stage = 3, .block = {}, .token = {}});
  CHECK(full.spot.block == 2);
  CHECK(full.spot.row == side / 2 / 16);
  CHECK((full.heads.size() == 4 && full.heads[0].row.values.empty() && !full.is_signed));

  const auto field = model.receptive_field(image);
  CHECK((field.map.height == side && field.map.width == side));
  CHECK(*std::min_element(field.map.values.begin(), field.map.values.end()) >= 0);
  CHECK(sum_of(field.map) > 0);
  const auto features = model.features(image);
  CHECK(features.shares[0] >= features.shares[1]);
  CHECK(features.shares[0] + features.shares[1] + features.shares[2] <= 1 + 1e-9);
}

TEST_CASE("Visualizer: the place is checked, with what the model has") {
  const TemporaryFolder folder;
  const auto model = Visualizer::from_file(save_random_model(folder / "w.safetensors", "test_rmt"));
  const auto refusal = [&](const models::Place& place) {
    return message_of<InvalidArgument>([&] { model.check(place); });
  };
  CHECK_THAT(refusal({.stage = 5, .block = {}, .token = {}}), Contains("stage is 5") && Contains("1 to 4"));
  CHECK_THAT(refusal({.stage = 2, .block = 3, .token = {}}), Contains("block is 3") && Contains("1 to 2"));
  CHECK_THAT(refusal({.stage = {}, .block = 1, .token = {}}), Contains("give a stage"));
  CHECK_THAT(refusal({.stage = 4, .block = {}, .token = {{99, 0}}}), Contains("99,0") && Contains("0,0 to "));
  CHECK_NOTHROW(model.check({.stage = 2, .block = 2, .token = {{0, 0}}}));
  CHECK_THROWS_AS(model.features({}), InvalidArgument);  // an empty image
  CHECK(model.find_class("class 3") == 3);
  CHECK(model.find_class("3") == 3);
  CHECK_THAT(message_of<ConfigError>([&] { model.find_class("clas 7"); }),
             Contains("\"class 7\"") && Contains("0 to 9"));
  CHECK_THROWS_AS(model.find_class("10"), ConfigError);
  CHECK_THAT(message_of<ConfigError>([&] { model.require(VisualKind::detections); }), Contains("is no detector"));
}

TEST_CASE("Visualizer: Grad-CAM names the classifier's class and probability") {
  const TemporaryFolder folder;
  for (const std::string name : {"test_rmt", "test_vir"}) {
    INFO(name);
    const auto weights = save_random_model(folder / "w.safetensors", name);
    const auto image = noise_image(260, 300, 3, 6);
    const auto best = models::Classifier::from_file(weights).classify(image, 2);
    const auto model = Visualizer::from_file(weights);
    const auto map = model.grad_cam(image);
    CHECK((map.index == best[0].index && map.label == best[0].label));
    CHECK(map.probability == Approx(best[0].probability).margin(1e-4));
    CHECK(*std::min_element(map.map.values.begin(), map.map.values.end()) >= 0);
    CHECK((map.map.height == map.spot.height && map.map.width == map.spot.width));
    const auto other = model.grad_cam(image, best[1].index);
    CHECK(other.probability == Approx(best[1].probability).margin(1e-4));
    CHECK(other.map.values != map.map.values);
    CHECK_THROWS_AS(model.grad_cam(image, 10), InvalidArgument);
  }
}

TEST_CASE("Visualizer: a ViR has signed weights, one stage, and none from later tokens") {
  const TemporaryFolder folder;
  const auto model = Visualizer::from_file(save_random_model(folder / "w.safetensors", "test_vir"));
  const auto image = noise_image(80, 70, 3, 7);  // 64 x 64: a grid of 4 x 4
  const models::Place place{.stage = {}, .block = 2, .token = {{1, 2}}};
  const auto weights = model.attention(image, place);
  CHECK((weights.is_signed && weights.heads.size() == 3));
  const auto decay = model.decay(image, place);
  CHECK_THAT(decay.distance, Contains("back along the rows"));
  for (int64_t token = 0; token < 16; ++token) {
    const bool seen = token <= 6;
    CHECK((weights.heads[0].map.values[token] != 0) == seen);
    CHECK(decay.heads[2].map.values[token] ==
          Approx(seen ? std::pow(decay.heads[2].gamma, 6 - token) : 0).margin(1e-6));
  }
  // Pixels of patches that come later do not move the token.
  const auto field = model.receptive_field(image, place).map;
  for (int64_t row = 0; row < 4; ++row) {
    for (int64_t column = 0; column < 4; ++column) {
      float largest = 0;
      for (int64_t i = 0; i < 256; ++i) {
        largest = std::max(largest, field.at(16 * row + i / 16, 16 * column + i % 16));
      }
      INFO(row << "," << column);
      CHECK((largest > 0) == (4 * row + column <= 6));
    }
  }
}

TEST_CASE("Visualizer: detectors show their backbone") {
  const TemporaryFolder folder;
  const auto weights = save_random_detector(folder / "w.safetensors", "test_mask_rcnn", {"ant", "bee", "cat"});
  const auto model = Visualizer::from_file(weights);
  CHECK(kinds_of(model) == Kinds{"decay", "attention", "receptive-field", "features", "detections"});
  const auto image = patch_image(90, 120, 3, 1);  // resized to 96 x 128
  const auto view = model.view(image);
  CHECK((view.height == 96 && view.width == 128));
  const auto field = model.receptive_field(image, {.stage = 2, .block = {}, .token = {}});
  CHECK((field.map.height == 96 && field.map.width == 128));
  CHECK((field.spot.row == 6 && field.spot.column == 8));
  CHECK(sum_of(field.map) > 0);
  CHECK(model.attention(image).heads.size() >= 2);
  const auto refusal = message_of<ConfigError>([&] { model.grad_cam(image); });
  CHECK_THAT(refusal, Contains("grad-cam") && Contains("w.safetensors") && Contains("is a detector"));
}

TEST_CASE("Visualizer: models that have less, and none, are refused by kind") {
  const TemporaryFolder folder;
  const auto retention = Visualizer::from_file(save_random_model(folder / "r.safetensors", "test_rmt_retention"));
  CHECK(kinds_of(retention) == Kinds{"decay", "receptive-field", "grad-cam", "features"});
  CHECK_THAT(message_of<ConfigError>([&] { retention.attention(noise_image(64, 64, 3, 1)); }), Contains("norms"));
  CHECK_THAT(message_of<ConfigError>([] { Visualizer::from_name("retnet_nano"); }),
             Contains("language model") && Contains("retentive generate"));
  CHECK_THAT(message_of<ConfigError>([] { Visualizer::from_name("rmt_t"); }),
             Contains("rmt_t") && Contains("--weights"));
  const auto bare = Visualizer::from_file(save_random_model(folder / "b.safetensors", "test_rmt_backbone"));
  CHECK_THAT(message_of<ConfigError>([&] { bare.require(VisualKind::grad_cam); }), Contains("no classifier"));
}

}  // namespace
}  // namespace retentive::testing
