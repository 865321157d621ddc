#include <cstdlib>
#include <filesystem>
#include <vector>

#include <datasets/image_folder.h>
#include <datasets/mnist.h>
#include <models/pipelines/classifier.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

const std::filesystem::path kAssets = std::filesystem::path(RETENTIVE_SOURCE_DIR) / "assets";

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

}  // namespace
}  // namespace retentive::testing
