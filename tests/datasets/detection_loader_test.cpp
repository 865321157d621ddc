#include <algorithm>
#include <set>

#include <datasets/detection_loader.h>
#include <datasets/detection_set.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::kDetection;
using testing::message_of;
using testing::NoiseDetectionSet;

namespace {

/// 9 landscape, 8 portrait, 1 square: groups of 9 and 9.
NoiseDetectionSet mixed_set() {
  std::vector<std::array<int64_t, 2>> sizes;
  for (int64_t i = 0; i < 18; ++i) {
    if (i == 13) {
      sizes.push_back({50, 50});
    } else if (i % 2) {
      sizes.push_back({60 + i, 40});
    } else {
      sizes.push_back({40, 60 + 2 * i});
    }
  }
  return NoiseDetectionSet(sizes);
}

DetectionLoaderOptions small_options(int64_t workers) {
  DetectionLoaderOptions options;
  options.batch_size = 2;
  options.shuffle = true;
  options.seed = 3;
  options.workers = workers;
  options.masks = true;
  options.preprocessing = kDetection;
  options.augment = DetectionAugment{};
  options.augment->shorter_sides = {40, 60, 80};
  options.augment->crop = 0.5;
  options.augment->crop_shorter_sides = {50};
  options.augment->crop_size = {30, 50};
  options.augment->brightness = 0.2;
  return options;
}

std::vector<DetectionBatch> all(const DetectionLoader& loader, int64_t epoch) {
  std::vector<DetectionBatch> batches;
  DetectionEpoch run = loader.epoch(epoch);
  for (DetectionBatch& batch : run) batches.push_back(std::move(batch));
  CHECK(static_cast<int64_t>(batches.size()) == loader.size());
  return batches;
}

bool same(const std::vector<DetectionBatch>& a, const std::vector<DetectionBatch>& b) {
  const auto same_item = [](const DetectionItem& x, const DetectionItem& y) {
    return x.name == y.name && x.boxes == y.boxes && x.labels == y.labels && x.masks == y.masks &&
           x.resized == y.resized && x.crowd == y.crowd;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const DetectionBatch& x, const DetectionBatch& y) {
    return x.images == y.images &&
           std::equal(x.items.begin(), x.items.end(), y.items.begin(), y.items.end(), same_item);
  });
}

}  // namespace

TEST_CASE("detection batches do not depend on the number of workers", "[datasets][detection]") {
  const NoiseDetectionSet set = mixed_set();
  const auto alone = all(DetectionLoader(set, small_options(0)), 4);
  for (const int64_t workers : {1, 3}) CHECK(same(alone, all(DetectionLoader(set, small_options(workers)), 4)));
  CHECK(same(alone, all(DetectionLoader(set, small_options(0)), 4)));
  CHECK_FALSE(same(alone, all(DetectionLoader(set, small_options(0)), 5)));
  auto other = small_options(0);
  other.seed = 4;
  CHECK_FALSE(same(alone, all(DetectionLoader(set, other), 4)));
}

TEST_CASE("a batch holds images of one aspect, each image once an epoch", "[datasets][detection]") {
  const NoiseDetectionSet set = mixed_set();
  DetectionLoaderOptions options = small_options(2);
  std::set<std::vector<int64_t>> orders;
  for (int64_t epoch = 0; epoch < 4; ++epoch) {
    std::vector<int64_t> ids;
    for (const DetectionBatch& batch : all(DetectionLoader(set, options), epoch)) {
      REQUIRE(batch.items.size() == static_cast<size_t>(batch.size));
      const auto wide = [](const DetectionItem& item) { return item.original_width > item.original_height; };
      for (const DetectionItem& item : batch.items) {
        CHECK(wide(item) == wide(batch.items[0]));
        const auto id = item.image_id.number();
        CHECK(item.name == std::to_string(id - 100));
        CHECK(item.labels == std::vector<int64_t>{id - 100});
        CHECK(set.image_size(id - 100) == std::array{item.original_height, item.original_width});
        ids.push_back(id);
      }
    }
    orders.insert(ids);
    std::sort(ids.begin(), ids.end());
    REQUIRE(ids.size() == 18);
    for (int64_t i = 0; i < 18; ++i) CHECK(ids[i] == 100 + i);
  }
  CHECK(orders.size() == 4);

  CHECK(DetectionLoader(set, options).size() == 10);  // 5 of each group
  options.drop_last = true;
  CHECK(all(DetectionLoader(set, options), 0).size() == 8);
  options.group_by_aspect = false;
  CHECK(all(DetectionLoader(set, options), 0).size() == 9);
}

TEST_CASE("a detection batch is padded to its largest image", "[datasets][detection]") {
  const NoiseDetectionSet set({{40, 60}, {60, 61}, {90, 40}, {30, 100}});
  DetectionLoaderOptions options = small_options(0);
  options.shuffle = false;
  options.augment.reset();
  const auto batches = all(DetectionLoader(set, options), 0);
  REQUIRE(batches.size() == 3);
  CHECK(batches[0].items[1].name == "1");
  CHECK(batches[1].items[0].name == "2");  // the set's order, but for the groups
  CHECK(batches[2].items[0].name == "3");
  const DetectionBatch& batch = batches[0];
  CHECK(batch.height == 96);  // 80x120 and 80x81
  CHECK(batch.width == 128);
  REQUIRE(batch.images.size() == 2 * 3 * 96 * 128);
  for (int64_t i = 0; i < 2; ++i) {
    std::vector<float> expected(3 * 96 * 128);
    const auto sample = set.get(i);
    CHECK(detection_input(sample.image, kDetection, 96, 128, expected.data()) == batch.items[i].resized);
    CHECK(std::equal(expected.begin(), expected.end(), batch.images.begin() + i * 3 * 96 * 128));
    CHECK(batch.items[i].boxes[0] == to_resized(sample.objects[0].box, batch.items[i].resized));
    CHECK(batch.items[i].masks.size() ==
          static_cast<size_t>(batch.items[i].resized.height * batch.items[i].resized.width));
  }
}

TEST_CASE("detection loader options and samples are checked", "[datasets][detection]") {
  const NoiseDetectionSet set = mixed_set();
  const auto refusal = [&](auto change) {
    DetectionLoaderOptions options = small_options(0);
    change(options);
    return message_of<Error>([&] { DetectionLoader(set, options); });
  };
  CHECK_THAT(refusal([](auto& o) { o.batch_size = 0; }), Contains("batch_size is 0"));
  CHECK_THAT(refusal([](auto& o) { o.divisor = 0; }), Contains("divisor is 0"));
  CHECK_THAT(refusal([](auto& o) { o.preprocessing.resize_longer = 0; }), Contains("resize_longer is 0"));
  CHECK_THAT(refusal([](auto& o) { o.augment->hflip = -1; }), Contains("hflip is -1"));
  CHECK_THAT(refusal([](auto& o) {
               o.drop_last = true;
               o.batch_size = 10;
             }),
             Contains("batch_size is 10"));
  CHECK_THAT(message_of<InvalidArgument>([&] { DetectionLoader(set, small_options(0)).epoch(-1); }),
             Contains("epoch is -1"));
  CHECK_THAT(message_of<InvalidArgument>([&] { DetectionLoader(NoiseDetectionSet({}), small_options(0)); }),
             Contains("size of the set is 0"));

  const NoiseDetectionSet broken({{40, 60}, {0, 0}});
  for (const int64_t workers : {0, 2}) {
    DetectionLoaderOptions options = small_options(workers);
    options.shuffle = false;
    DetectionEpoch epoch = DetectionLoader(broken, options).epoch(0);
    CHECK(epoch.next());
    CHECK_THROWS_AS(epoch.next(), InvalidArgument);
    CHECK(!epoch.next());
  }
}

}  // namespace retentive::datasets
