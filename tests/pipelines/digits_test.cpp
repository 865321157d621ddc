#include <cstdlib>
#include <filesystem>
#include <vector>

#include <datasets/image_folder.h>
#include <datasets/mnist.h>
#include <datasets/transforms.h>
#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/classifier.h>
#include <retention/nn/inference.h>
#include <support/catch.h>
#include <support/paths.h>
#include <vision/vir.h>

namespace retentive::testing {
namespace {

const std::filesystem::path kAssets = std::filesystem::path(source_dir()) / "assets";

int64_t right_digits(Precision precision) {
  const datasets::Mnist digits(kAssets / "digits/t1k-images-idx3-ubyte.gz",
                               kAssets / "digits/t1k-labels-idx1-ubyte.gz");
  REQUIRE(digits.size() == 1000);
  std::vector<vision::Image> images;
  for (int64_t i = 0; i < digits.size(); ++i) images.push_back(digits.get(i).image);
  models::ClassifierOptions options;
  options.precision = precision;
  const auto results = models::Classifier::from_default(options).classify(images, {.top_k = 1, .batch_size = 100});
  int64_t right = 0;
  for (int64_t i = 0; i < digits.size(); ++i) {
    const auto& result = results.at(static_cast<size_t>(i));
    REQUIRE_FALSE(result.error.has_value());
    right += result.top.at(0).label == std::to_string(digits.label(i)) ? 1 : 0;
  }
  WARN("test digits right in " << enum_name(precision) << ": " << right << " of 1000");
  return right;
}

TEST_CASE("the built-in model reads at least 99 % of the 1,000 test digits, in every precision") {
  const auto exact = right_digits(Precision::fp32);
  CHECK(exact >= 990);
  CHECK(std::abs(right_digits(Precision::bf16) - exact) <= 2);
  CHECK(std::abs(right_digits(Precision::int8) - exact) <= 5);
}

TEST_CASE("the built-in model reads at least 19 of the 20 sample pictures") {
  const auto paths = datasets::list_images(kAssets / "samples");
  REQUIRE(paths.size() == 20);
  const auto results = models::Classifier::from_default().classify(paths, {.top_k = 1});
  int64_t right = 0;
  for (const auto& result : results) {
    REQUIRE_FALSE(result.error.has_value());
    right += std::filesystem::path(result.path).filename().string().substr(0, 1) == result.top.at(0).label ? 1 : 0;
  }
  CHECK(right >= 19);
}

TEST_CASE("the built-in ViR gives one class in every form, right for at least 98.5 % of the test digits") {
  const auto loaded = models::load_model(models::read_builtin_checkpoint("vir_nano", "test"));
  auto& vir = dynamic_cast<vision::VirImpl&>(*loaded.model);
  const datasets::Mnist digits(kAssets / "digits/t1k-images-idx3-ubyte.gz",
                               kAssets / "digits/t1k-labels-idx1-ubyte.gz");
  const auto images = torch::empty({digits.size(), 1, 28, 28});
  for (int64_t i = 0; i < digits.size(); ++i) {
    datasets::evaluation_transform(digits.get(i).image, *loaded.card.preprocessing, images[i].data_ptr<float>());
  }
  const torch::InferenceMode inference;
  const auto classes = [&](const vision::VirCall& call) {
    std::vector<int64_t> result;
    for (const auto& batch : images.split(100)) {
      const auto top = vir.forward(batch, call).argmax(1);
      result.insert(result.end(), top.data_ptr<int64_t>(), top.data_ptr<int64_t>() + top.numel());
    }
    return result;
  };
  const auto expected = classes({Form::parallel});
  CHECK(classes({Form::recurrent}) == expected);
  CHECK(classes({Form::chunkwise, 7}) == expected);
  CHECK(classes({Form::chunkwise, 16}) == expected);
  int64_t right = 0;
  for (int64_t i = 0; i < digits.size(); ++i) right += expected[static_cast<size_t>(i)] == digits.label(i) ? 1 : 0;
  WARN("test digits right by vir_nano: " << right << " of 1000");
  CHECK(right >= 985);
  nn::prepare_inference(vir, {.precision = Precision::int8});
  const auto quantised = classes({});
  int64_t same = 0;
  for (size_t i = 0; i < expected.size(); ++i) same += quantised[i] == expected[i] ? 1 : 0;
  CHECK(same >= 990);
}

}  // namespace
}  // namespace retentive::testing
