#include <support/catch.h>

#include <models/training/ema.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

void fill(torch::nn::BatchNorm1d& norm, float weight, float mean, int64_t batches) {
  const torch::NoGradGuard no_grad;
  norm->weight.fill_(weight);
  norm->running_mean.fill_(mean);
  norm->num_batches_tracked.fill_(batches);
}

float value(const Ema& ema, std::string_view name) {
  return find_tensor(ema.tensors(), name)->flatten()[0].item<float>();
}

}  // namespace

TEST_CASE("the decay of the average warms up", "[ema]") {
  const Ema ema(*torch::nn::BatchNorm1d(1), 0.999);
  CHECK(ema.decay_at(0) == Approx(0.1));
  CHECK(ema.decay_at(1) == Approx(2.0 / 11));
  CHECK(ema.decay_at(90) == Approx(0.91));
  CHECK(ema.decay_at(1'000'000) == 0.999);
}

TEST_CASE("averages of parameters and float buffers, copies of integer ones", "[ema]") {
  torch::nn::BatchNorm1d norm(1);
  fill(norm, 1, 10, 0);
  Ema ema(*norm, 0.999);
  fill(norm, 2, 20, 5);
  ema.update(*norm);
  CHECK(value(ema, "weight") == Approx(0.1 * 1 + 0.9 * 2));
  CHECK(value(ema, "running_mean") == Approx(0.1 * 10 + 0.9 * 20));
  CHECK(find_tensor(ema.tensors(), "num_batches_tracked")->item<int64_t>() == 5);
  fill(norm, 4, 20, 6);
  ema.update(*norm);
  CHECK(value(ema, "weight") == Approx(1.9 * 2 / 11 + 4.0 * 9 / 11));
  CHECK(ema.updates() == 2);

  torch::nn::BatchNorm1d target(1);
  ema.copy_to(*target);
  CHECK(target->weight.item<float>() == value(ema, "weight"));
  CHECK(target->num_batches_tracked.item<int64_t>() == 6);
  CHECK(norm->weight.item<float>() == 4);

  Ema other(*norm, 0.999);
  other.restore(ema.tensors(), 2);
  CHECK(value(other, "weight") == value(ema, "weight"));
  CHECK(other.updates() == 2);
}

TEST_CASE("an average refuses strangers", "[ema]") {
  torch::nn::BatchNorm1d norm(2);
  Ema ema(*norm, 0.5);
  CHECK_THROWS_AS(ema.update(*torch::nn::Linear(1, 1)), InvalidArgument);
  CHECK_THROWS_WITH(ema.restore({{"weight", torch::ones({2})}}, 1), Catch::Contains("bias"));
  CHECK_THROWS_AS(Ema(*norm, 1.0), ConfigError);
}

}  // namespace retentive::models
