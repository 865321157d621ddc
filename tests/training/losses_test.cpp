#include <support/catch.h>

#include <cmath>
#include <numbers>

#include <ATen/CPUGeneratorImpl.h>

#include <models/training/losses.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

at::Generator generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

}  // namespace

TEST_CASE("smoothed targets and their cross entropy", "[losses]") {
  const auto labels = torch::tensor({2, 0}, torch::kLong);
  const auto targets = smooth_targets(labels, 4, 0.1);
  CHECK(targets[0][2].item<float>() == Approx(0.925));
  CHECK(targets[0][0].item<float>() == Approx(0.025));
  CHECK(targets.sum(1).sub(1).abs().max().item<float>() < 1e-6F);
  const auto logits = torch::tensor({{1.0F, -2.0F, 0.5F, 3.0F}, {0.0F, 0.25F, -1.0F, 2.0F}});
  const auto expected = torch::nn::functional::cross_entropy(
      logits, labels, torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(0.1));
  CHECK(soft_cross_entropy(logits, targets).item<float>() == Approx(expected.item<float>()).epsilon(1e-6));
  CHECK_THROWS_WITH(smooth_targets(labels, 2, 0.1), Catch::Contains("label 2 with 2 classes"));
  CHECK_THROWS_AS(smooth_targets(labels, 4, 1.0), InvalidArgument);
}

TEST_CASE("token-label loss of uniform logits", "[losses]") {
  const auto cls_targets = smooth_targets(torch::tensor({0, 1}, torch::kLong), 5, 0.0);
  const auto token_targets = cls_targets.unsqueeze(1).expand({2, 6, 5});
  const auto loss = token_label_loss(torch::zeros({2, 5}), torch::zeros({2, 6, 5}), cls_targets, token_targets);
  CHECK(loss.item<float>() == Approx(1.5 * std::log(5.0)));
}

TEST_CASE("mixup is the weighted sum with the reversed batch", "[losses]") {
  const auto images = torch::arange(2 * 1 * 2 * 2, torch::kFloat).view({2, 1, 2, 2});
  const auto targets = smooth_targets(torch::tensor({0, 2}, torch::kLong), 3, 0.0);
  const auto mixed = mixup(images, targets, 0.8, generator(3));
  REQUIRE((mixed.lambda > 0 && mixed.lambda < 1));
  CHECK(mixed.images[0][0][0][1].item<float>() == Approx(mixed.lambda * 1 + (1 - mixed.lambda) * 5));
  CHECK(mixed.images[1][0][1][1].item<float>() == Approx(mixed.lambda * 7 + (1 - mixed.lambda) * 3));
  CHECK(mixed.targets[0][0].item<float>() == Approx(mixed.lambda));
  CHECK(mixed.targets[0][2].item<float>() == Approx(1 - mixed.lambda));
  CHECK(mixed.targets.sum().item<float>() == Approx(2));
  CHECK(mixup(images, targets, 0.8, generator(3)).lambda == mixed.lambda);
  CHECK(mixup(images, targets, 0.8, generator(4)).lambda != mixed.lambda);
}

TEST_CASE("lambda follows the beta distribution", "[losses]") {
  const auto image = torch::zeros({1, 1, 1, 1});
  for (const double alpha : {0.2, 1.0, 4.0}) {
    auto random = generator(11);
    double sum = 0, squares = 0;
    constexpr int kDraws = 4000;
    for (int i = 0; i < kDraws; ++i) {
      const double lambda = mixup(image, image.flatten(1), alpha, random).lambda;
      sum += lambda;
      squares += (lambda - 0.5) * (lambda - 0.5);
    }
    CHECK(sum / kDraws == Approx(0.5).margin(0.03));
    CHECK(squares / kDraws == Approx(1 / (4 * (2 * alpha + 1))).epsilon(0.1));
  }
}

TEST_CASE("cutmix: lambda is the share of pixels that were kept", "[losses]") {
  const auto images = torch::stack({torch::zeros({1, 9, 7}), torch::ones({1, 9, 7})});
  const auto targets = smooth_targets(torch::tensor({0, 1}, torch::kLong), 2, 0.0);
  auto random = generator(5);
  double smallest = 1, largest = 0;
  for (int i = 0; i < 200; ++i) {
    const auto mixed = cutmix(images, targets, 1.0, random);
    CHECK(mixed.images[0].mean().item<double>() == Approx(1 - mixed.lambda).margin(1e-6));
    CHECK(mixed.images[1].mean().item<double>() == Approx(mixed.lambda).margin(1e-6));
    CHECK(mixed.targets[0][0].item<double>() == Approx(mixed.lambda).margin(1e-6));
    smallest = std::min(smallest, mixed.lambda);
    largest = std::max(largest, mixed.lambda);
  }
  CHECK(smallest < 0.3);
  CHECK(largest > 0.9);
}

TEST_CASE("the augmentation decides what is mixed", "[losses]") {
  const auto images = torch::rand({4, 1, 8, 8});
  const auto targets = smooth_targets(torch::arange(4), 4, 0.0);
  datasets::AugmentConfig augment;
  CHECK(mix_batch(images, targets, augment, generator(1)).images.is_same(images));
  augment.mixup = 0.5;
  augment.cutmix = 0.5;
  auto random = generator(9);
  int mixups = 0;
  for (int i = 0; i < 100; ++i) {
    const auto mixed = mix_batch(images, targets, augment, random);
    const auto blend = images * mixed.lambda + images.flip(0) * (1 - mixed.lambda);
    mixups += mixed.lambda < 1 && (mixed.images - blend).abs().max().item<float>() < 1e-6F;
  }
  CHECK(mixups > 25);
  CHECK(mixups < 75);
}

}  // namespace retentive::models
