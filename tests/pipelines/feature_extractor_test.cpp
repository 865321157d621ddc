#include <ATen/record_function.h>

#include <datasets/transforms.h>
#include <models/pipelines/feature_extractor.h>
#include <pipelines/helpers.h>
#include <support/tensors.h>
#include <vision/vir_fixture.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::FeatureExtractor;
using models::FeatureExtractorOptions;

FeatureExtractorOptions with_stages(std::vector<int64_t> stages, bool pooled = true) {
  FeatureExtractorOptions options;
  options.stages = std::move(stages);
  options.pooled = pooled;
  return options;
}

torch::Tensor as_tensor(const models::FeatureArray& array) { return torch::tensor(array.data).reshape(array.shape); }

torch::Tensor input_of(const vision::Image& image, const vision::Preprocessing& preprocessing) {
  auto input = torch::empty({1, 3, preprocessing.crop[0], preprocessing.crop[1]});
  datasets::evaluation_transform(image, preprocessing, input.data_ptr<float>());
  return input;
}

TEST_CASE("FeatureExtractor gives the network's maps and pooled vector") {
  const TemporaryFolder folder;
  const auto weights = save_random_model(folder / "w.safetensors", "test_rmt");
  const auto image = noise_image(50, 70, 3, 4);
  const auto loaded = models::load_model(weights);
  torch::NoGradGuard no_grad;
  const auto input = input_of(image, *loaded.card.preprocessing);
  const auto network = models::as_backbone(loaded.model, "weights");
  const auto maps = network->forward_intermediates(input, {0, 1, 2, 3});
  const auto pooled = network->forward_head(maps.back(), true);

  const auto features = FeatureExtractor::from_file(weights, with_stages({1, 3})).extract(image);
  REQUIRE(features.stages.size() == 2);
  CHECK(features.stages[0].name == "stage2");
  CHECK(features.stages[0].shape == std::vector<int64_t>{32, 4, 4});
  CHECK(deviation(as_tensor(features.stages[0]), maps[1][0]) < 1e-6);
  CHECK(deviation(as_tensor(features.stages[1]), maps[3][0]) < 1e-6);
  CHECK(features.pooled.shape == std::vector<int64_t>{96});
  CHECK(deviation(as_tensor(features.pooled), pooled[0]) < 1e-6);

  const auto early = FeatureExtractor::from_file(weights, with_stages({0})).extract(image);
  CHECK(early.stages.size() == 1);
  CHECK(deviation(as_tensor(early.pooled), pooled[0]) < 1e-6);
  const auto unpooled = FeatureExtractor::from_file(weights, with_stages({2}, false)).extract(image);
  CHECK(unpooled.pooled.data.empty());
  CHECK(deviation(as_tensor(unpooled.stages.at(0)), maps[2][0]) < 1e-6);
}

/// Operators that `call` runs.
template <class Call>
int64_t operators_of(const Call& call) {
  static int64_t count;
  count = 0;
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback([](const at::RecordFunction&) -> std::unique_ptr<at::ObserverContext> {
        ++count;
        return nullptr;
      }));
  call();
  at::removeCallback(handle);
  return count;
}

TEST_CASE("FeatureExtractor runs a ViR once for its maps and pooled vector") {
  const TemporaryFolder folder;
  for (const auto pool : {vision::VirPool::token_last, vision::VirPool::avg}) {
    auto config = test_vir_config();
    config.pool = pool;
    config.layer_scale_init = 1.0;
    auto model = lively_vir(config, 3);
    models::ModelCard card;
    card.config = config;
    card.preprocessing = models::find_model("test_vir").preprocessing;
    const auto weights = folder / "w.safetensors";
    models::save_checkpoint(weights, *model, card);
    const auto image = noise_image(80, 90, 3, 4);
    const torch::NoGradGuard no_grad;
    const auto input = input_of(image, *card.preprocessing);
    const auto maps = model->forward_intermediates(input, {0, 2});
    const auto pooled = model->forward_pooled(input);

    const auto both = FeatureExtractor::from_file(weights, with_stages({0, 2}));
    const auto features = both.extract(image);
    REQUIRE(features.stages.size() == 2);
    CHECK(deviation(as_tensor(features.stages[0]), maps[0][0]) < 1e-5);
    CHECK(deviation(as_tensor(features.stages[1]), maps[1][0]) < 1e-5);
    CHECK(deviation(as_tensor(features.pooled), pooled[0]) < 1e-5);
    const auto early = FeatureExtractor::from_file(weights, with_stages({0})).extract(image);
    CHECK(deviation(as_tensor(early.stages.at(0)), maps[0][0]) < 1e-5);
    CHECK(deviation(as_tensor(early.pooled), pooled[0]) < 1e-5);
    const auto alone = FeatureExtractor::from_file(weights, with_stages({}));
    CHECK(deviation(as_tensor(alone.extract(image).pooled), pooled[0]) < 1e-5);
    const auto count = operators_of([&] { both.extract(image); }), single = operators_of([&] { alone.extract(image); });
    INFO(count << " operators against " << single);
    CHECK(single > 20);
    CHECK(2 * count < 3 * single);
  }
}

TEST_CASE("FeatureExtractor: without a head the pooled vector is the mean of the last map") {
  const TemporaryFolder folder;
  const auto weights = save_random_model(folder / "w.safetensors", "test_rmt_backbone");
  const auto features = FeatureExtractor::from_file(weights, with_stages({3})).extract(noise_image(64, 64, 3, 2));
  const auto map = as_tensor(features.stages.at(0));
  CHECK(features.pooled.shape == std::vector<int64_t>{32});
  CHECK(deviation(as_tensor(features.pooled), map.mean({1, 2})) < 1e-6);
}

TEST_CASE("FeatureExtractor can keep the size of the image") {
  const TemporaryFolder folder;
  auto options = with_stages({0, 3});
  options.keep_size = true;
  const auto weights = save_random_model(folder / "w.safetensors", "test_rmt");
  const auto extractor = FeatureExtractor::from_file(weights, options);
  datasets::write_image(folder / "i.png", noise_image(45, 101, 3, 4));
  const auto features = extractor.extract(folder / "i.png");
  CHECK(features.stages[0].shape == std::vector<int64_t>{16, 12, 26});
  CHECK(features.stages[1].shape == std::vector<int64_t>{48, 2, 4});

  auto own_size = extractor.preprocessing();
  own_size.resize_shorter = 45;
  own_size.crop = {45, 101};
  const auto input = input_of(datasets::decode_image(folder / "i.png"), own_size);
  torch::NoGradGuard no_grad;
  const auto network = models::as_backbone(models::load_model(weights).model, "weights");
  const auto reference = network->forward_intermediates(input, {0})[0][0];
  CHECK(deviation(as_tensor(features.stages[0]), reference) < 1e-6);
}

TEST_CASE("FeatureExtractor refuses stages that are not there") {
  const TemporaryFolder folder;
  const auto weights = save_random_model(folder / "w.safetensors", "test_rmt");
  for (const auto& stages : std::vector<std::vector<int64_t>>{{4}, {-1}, {1, 1}, {2, 0}}) {
    CHECK_THAT(message_of<InvalidArgument>([&] { FeatureExtractor::from_file(weights, with_stages(stages)); }),
               Contains("from 0 to 3"));
  }
  CHECK_THAT(message_of<DataError>([&] { FeatureExtractor::from_file(weights).extract(folder / "none.png"); }),
             Contains("none.png"));
}

TEST_CASE("FeatureExtractor runs the built-in model") {
  const auto extractor = FeatureExtractor::from_default();
  const auto features = extractor.extract(noise_image(28, 28, 3, 1));
  CHECK(features.pooled.shape == std::vector<int64_t>{256});
  CHECK(extractor.model_name() == "rmt_nano");
}

}  // namespace
}  // namespace retentive::testing
