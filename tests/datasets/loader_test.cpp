#include <atomic>
#include <chrono>
#include <numeric>
#include <set>
#include <thread>

#include <datasets/files.h>
#include <datasets/loader.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::message_of;

namespace {

/// Images made on the fly; one index can be told to fail, and calls are counted.
class FakeSet : public Dataset {
 public:
  explicit FakeSet(int64_t size, int64_t broken = -1) : size_(size), broken_(broken) {}
  int64_t size() const override { return size_; }
  int64_t label(int64_t index) const override { return index % 3; }
  const std::vector<std::string>& class_names() const override { return names_; }
  Sample get(int64_t index) const override {
    ++calls;
    if (index == broken_) throw DataError("[image] fake/" + std::to_string(index) + ".png is truncated");
    std::this_thread::sleep_for(std::chrono::microseconds(index * 37 % 400));  // finish out of order
    return {testing::noise_image(11, 9, 3, static_cast<uint32_t>(index)), label(index), std::to_string(index)};
  }
  mutable std::atomic<int64_t> calls = 0;

 private:
  int64_t size_, broken_;
  std::vector<std::string> names_ = {"a", "b", "c"};
};

LoaderOptions small_options(int64_t workers) {
  LoaderOptions options;
  options.batch_size = 4;
  options.shuffle = true;
  options.seed = 5;
  options.workers = workers;
  options.preprocessing = {.resize_shorter = 8, .crop = {8, 6}};
  options.augment = AugmentConfig{};
  options.augment->random_resized_crop = true;
  options.augment->hflip = 0.5;
  options.augment->brightness = 0.3;
  return options;
}

std::vector<Batch> all(const Loader& loader, int64_t epoch) {
  std::vector<Batch> batches;
  Epoch run = loader.epoch(epoch);
  for (Batch& batch : run) batches.push_back(std::move(batch));
  CHECK(!run.next());
  return batches;
}

bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].images != b[i].images || a[i].labels != b[i].labels || a[i].names != b[i].names) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("batches do not depend on the number of workers", "[datasets]") {
  const FakeSet set(30);
  const auto alone = all(Loader(set, small_options(0)), 2);
  REQUIRE(alone.size() == 8);
  CHECK(alone[7].size == 2);
  for (const int64_t workers : {1, 2, 3, 16}) {
    INFO("workers " << workers);
    CHECK(same(alone, all(Loader(set, small_options(workers)), 2)));
  }
  CHECK(same(alone, all(Loader(set, small_options(0)), 2)));
  CHECK_FALSE(same(alone, all(Loader(set, small_options(0)), 3)));
  auto other = small_options(0);
  other.seed = 6;
  CHECK_FALSE(same(alone, all(Loader(set, other), 2)));
}

TEST_CASE("an epoch holds every sample once, with its label and pixels", "[datasets]") {
  const FakeSet set(30);
  LoaderOptions options = small_options(2);
  options.augment.reset();
  std::set<std::string> seen;
  std::vector<std::string> order;
  for (const Batch& batch : all(Loader(set, options), 0)) {
    CHECK(batch.channels == 3);
    CHECK(batch.height == 8);
    CHECK(batch.width == 6);
    REQUIRE(batch.images.size() == static_cast<size_t>(batch.size) * 3 * 8 * 6);
    REQUIRE(batch.labels.size() == static_cast<size_t>(batch.size));
    for (int64_t i = 0; i < batch.size; ++i) {
      const int64_t index = std::stoll(batch.names[i]);
      CHECK(batch.labels[i] == index % 3);
      std::vector<float> expected(3 * 8 * 6);
      evaluation_transform(set.get(index).image, options.preprocessing, expected.data());
      CHECK(std::equal(expected.begin(), expected.end(), batch.images.begin() + i * 3 * 8 * 6));
      seen.insert(batch.names[i]);
      order.push_back(batch.names[i]);
    }
  }
  CHECK(seen.size() == 30);
  CHECK(order.size() == 30);
  CHECK_FALSE(std::is_sorted(order.begin(), order.end(), [](auto& a, auto& b) { return std::stoi(a) < std::stoi(b); }));

  options.shuffle = false;
  options.drop_last = true;
  const Loader loader(set, options);
  CHECK(loader.size() == 7);
  const auto batches = all(loader, 9);
  REQUIRE(batches.size() == 7);
  CHECK(batches[6].names == std::vector<std::string>{"24", "25", "26", "27"});
}

TEST_CASE("a sample's draws depend on its index, not on its place", "[datasets]") {
  const FakeSet set(12);
  LoaderOptions shuffled = small_options(0), ordered = small_options(2);
  shuffled.batch_size = 5;
  ordered.shuffle = false;
  const auto images_by_name = [](const std::vector<Batch>& batches) {
    std::map<std::string, std::vector<float>> images;
    for (const Batch& batch : batches) {
      const int64_t values = static_cast<int64_t>(batch.images.size()) / batch.size;
      for (int64_t i = 0; i < batch.size; ++i) {
        const auto first = batch.images.begin() + i * values;
        images[batch.names[i]] = {first, first + values};
      }
    }
    return images;
  };
  CHECK(images_by_name(all(Loader(set, shuffled), 1)) == images_by_name(all(Loader(set, ordered), 1)));
}

TEST_CASE("what a worker throws reaches the caller when its batch is due", "[datasets]") {
  const FakeSet set(40, 22);
  LoaderOptions options = small_options(0);
  options.shuffle = false;
  for (const int64_t workers : {0, 1, 2, 3}) {
    INFO("workers " << workers);
    options.workers = workers;
    Epoch epoch = Loader(set, options).epoch(0);
    for (int i = 0; i < 5; ++i) REQUIRE(epoch.next());
    CHECK_THAT(message_of<DataError>([&] { epoch.next(); }), Contains("fake/22.png"));
    CHECK(!epoch.next());
  }
}

TEST_CASE("prefetch is bounded and an epoch can be left early", "[datasets]") {
  const FakeSet set(4000);
  LoaderOptions options = small_options(3);
  options.prefetch = 2;
  for (int round = 0; round < 20; ++round) {
    Epoch epoch = Loader(set, options).epoch(round);
    if (round % 2) CHECK(epoch.next());
  }
  set.calls = 0;
  {
    Epoch epoch = Loader(set, options).epoch(0);
    CHECK(epoch.next());
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    CHECK(set.calls <= 4 * (1 + 3 * 2));
    CHECK(set.calls >= 4 * 3 * 2);
    epoch = Loader(set, options).epoch(1);  // assignment ends the one before
    CHECK(epoch.next());
  }
  CHECK(set.calls < 100);
}

TEST_CASE("loader options are checked", "[datasets]") {
  const FakeSet set(3);
  const auto refusal = [&](auto change) {
    LoaderOptions options = small_options(0);
    change(options);
    return message_of<Error>([&] { Loader(set, options); });
  };
  CHECK_THAT(refusal([](auto& o) { o.batch_size = 0; }), Contains("batch_size is 0"));
  CHECK_THAT(refusal([](auto& o) { o.workers = -1; }), Contains("workers is -1"));
  CHECK_THAT(refusal([](auto& o) { o.prefetch = 0; }), Contains("prefetch is 0"));
  CHECK_THAT(refusal([](auto& o) { o.drop_last = true; }), Contains("batch_size is 4"));
  CHECK_THAT(refusal([](auto& o) { o.preprocessing.crop = {0, 1}; }), Contains("crop is [0, 1]"));
  CHECK_THAT(refusal([](auto& o) { o.augment->hflip = 2; }), Contains("hflip is 2"));
  CHECK_THAT(message_of<InvalidArgument>([&] { Loader(set, small_options(0)).epoch(-1); }), Contains("epoch is -1"));
  CHECK_THAT(message_of<InvalidArgument>([&] { Loader(FakeSet(0), small_options(0)); }), Contains("is 0"));
}

}  // namespace retentive::datasets
