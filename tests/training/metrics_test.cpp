#include <support/catch.h>

#include <cmath>
#include <limits>

#include <models/training/evaluation.h>
#include <models/training/metrics.h>
#include <retention/base/error.h>
#include <nlohmann/json.hpp>

namespace retentive::models {
namespace {

ClassificationMetrics worked_example() {
  ClassificationMetrics metrics(3);
  metrics.add(torch::tensor({{3.0F, 1.0F, 0.0F}, {0.0F, 2.0F, 1.0F}, {2.0F, 1.0F, 0.0F}}),
              torch::tensor({0, 1, 1}, torch::kLong));
  metrics.add(torch::tensor({{0.0F, 1.0F, 5.0F}}), torch::tensor({1}, torch::kLong));
  return metrics;
}

}  // namespace

TEST_CASE("scores of four samples by hand", "[metrics]") {
  const auto metrics = worked_example();  // true 0 1 1 1, predicted 0 1 0 2
  CHECK(metrics.count() == 4);
  CHECK(metrics.top1() == 0.5);
  CHECK(metrics.top_k(2) == 1.0);
  CHECK(metrics.confusion(1, 0) == 1);
  CHECK(metrics.confusion(1, 2) == 1);
  CHECK(metrics.confusion(0, 0) == 1);
  CHECK(metrics.confusion(2, 2) == 0);
  const auto scores = metrics.per_class();
  CHECK(scores[0].precision == 0.5);
  CHECK(scores[0].recall == 1.0);
  CHECK(scores[0].f1 == Approx(2.0 / 3));
  CHECK(scores[1].support == 3);
  CHECK(scores[1].precision == 1.0);
  CHECK(scores[1].recall == Approx(1.0 / 3));
  CHECK(scores[2].support == 0);
  CHECK(scores[2].predicted == 1);
  CHECK(scores[2].recall == 0.0);
  const double first = std::log(std::exp(3.0) + std::exp(1.0) + 1) - 3;
  const double second = std::log(1 + std::exp(2.0) + std::exp(1.0)) - 2;
  const double third = std::log(std::exp(2.0) + std::exp(1.0) + 1) - 1;
  const double fourth = std::log(1 + std::exp(1.0) + std::exp(5.0)) - 1;
  CHECK(metrics.loss() == Approx((first + second + third + fourth) / 4));
}

TEST_CASE("top-5 counts ranks, equal logits rank by index, NaN never wins", "[metrics]") {
  ClassificationMetrics metrics(7);
  const auto logits = torch::tensor({{7.0F, 6.0F, 5.0F, 4.0F, 3.0F, 2.0F, 1.0F}});
  metrics.add(logits, torch::tensor({4}, torch::kLong));
  metrics.add(logits, torch::tensor({5}, torch::kLong));
  CHECK(metrics.top5() == 0.5);
  ClassificationMetrics equal(7);
  equal.add(torch::zeros({1, 7}), torch::tensor({1}, torch::kLong));
  CHECK(equal.top1() == 0);
  CHECK(equal.top_k(2) == 1);
  ClassificationMetrics broken(2);
  broken.add(torch::full({1, 2}, std::numeric_limits<float>::quiet_NaN()), torch::tensor({0}, torch::kLong));
  CHECK(broken.top5() == 0);
  CHECK(broken.count() == 1);
}

TEST_CASE("labels and shapes that do not belong are refused", "[metrics]") {
  ClassificationMetrics metrics(3);
  CHECK_THROWS_WITH(metrics.add(torch::zeros({1, 3}), torch::tensor({3}, torch::kLong)), Catch::Contains("label 3"));
  CHECK_THROWS_AS(metrics.add(torch::zeros({1, 4}), torch::tensor({0}, torch::kLong)), InvalidArgument);
  CHECK(metrics.top1() == 0);
  CHECK_THROWS_AS(ClassificationMetrics(0), InvalidArgument);
}

TEST_CASE("reports as text and JSON", "[metrics]") {
  const auto metrics = worked_example();
  const auto text = evaluation_text(metrics, {"cat", "dog", "owl"});
  CHECK_THAT(text, Catch::Contains("images 4   top-1 50.00 %"));
  CHECK_THAT(text, Catch::Contains("  dog        3     1.0000  0.3333  0.5000"));
  CHECK_THAT(text, Catch::Contains("    1      1      1      1"));
  const auto json = nlohmann::json::parse(evaluation_json(metrics, {"cat", "dog", "owl"}));
  CHECK(json["top1"] == 0.5);
  CHECK(json["classes"][1]["label"] == "dog");
  CHECK(json["confusion"] == nlohmann::json({{1, 0, 0}, {1, 1, 1}, {0, 0, 0}}));
}

}  // namespace retentive::models
