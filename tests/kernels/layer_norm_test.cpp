#include <random>
#include <vector>

#include <retention/kernels/layer_norm.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using retention::LayerNormProblem;

namespace {

std::vector<float> normal(int64_t count, uint64_t seed, float mean = 0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> distribution(mean, 1.0f);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(random);
  return values;
}

}  // namespace

TEST_CASE("fast layer norm equals the reference on odd shapes", "[layer_norm]") {
  WorstDeviation worst("layer_norm fp32"), worst_bf16("layer_norm bf16");
  for (const int64_t rows : {1, 2, 63, 197}) {
    for (const int64_t channels : {1, 7, 16, 20, 64, 80, 112, 512}) {
      const LayerNormProblem p{.rows = rows, .channels = channels};
      const auto x = normal(rows * channels, 1, 3), weight = normal(channels, 2), bias = normal(channels, 3);
      std::vector<float> expected(x.size()), actual(x.size(), NAN);
      std::vector<bfloat16> half(x.size());
      retention::layer_norm_reference(p, x.data(), weight.data(), bias.data(), expected.data());
      if (!retention::layer_norm(p, x.data(), weight.data(), bias.data(), actual.data(), 2)) return;
      CHECK(worst.add(std::to_string(rows) + "x" + std::to_string(channels), deviation(actual, expected)) < 1e-5);
      retention::layer_norm(p, x.data(), weight.data(), bias.data(), half.data(), 2);
      std::vector<float> widened(half.begin(), half.end());
      // One rounding to 8 significant bits: at most 2^-8 of the value.
      CHECK(worst_bf16.add(std::to_string(rows) + "x" + std::to_string(channels), deviation(widened, expected)) <
            0.0040);
    }
  }
}
