#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <kernels/random_values.h>
#include <retention/base/buffer_pool.h>
#include <retention/kernels/int4.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using retention::Int4Problem;
using retention::Int4Weights;

namespace {

struct Packed {
  Packed(int64_t in, int64_t out, const std::vector<float>& weight, int threads = 2) : weights{in, out} {
    memory = BufferPool::shared().acquire(weights.bytes());
    auto* const to = static_cast<uint8_t*>(memory.get());
    std::memset(to, 0xff, weights.bytes());
    retention::int4_pack(weights, weight.data(), to, threads);
    weights.values = to;
  }

  std::vector<float> unpacked() const {
    std::vector<float> values(weights.in * weights.out, NAN);
    retention::int4_unpack(weights, values.data());
    return values;
  }

  void run(int64_t rows, const float* x, const retention::LinearOutput& y, int threads) const {
    const Int4Problem problem{rows, weights};
    const int64_t bytes = retention::int4_scratch(problem);
    const auto scratch = BufferPool::shared().acquire(bytes);
    std::memset(scratch.get(), 0xff, bytes);
    retention::int4_linear()(problem, x, y, scratch.get(), threads);
  }

  Int4Weights weights;
  BufferPool::Buffer memory{nullptr, {}};
};

// Share of the values' size that quantisation takes.
double relative_error(const std::vector<float>& actual, const std::vector<float>& expected) {
  double error = 0, size = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    error += std::pow(static_cast<double>(actual[i]) - expected[i], 2);
    size += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(error / size);
}

// What rounding x to int8 by groups may change in output o, half a step for each value, and the float sums with it.
double input_bound(const std::vector<float>& x, int64_t row, const std::vector<float>& weight, int64_t in, int64_t o) {
  double bound = 0;
  for (int64_t first = 0; first < in; first += retention::kInt4Group) {
    const int64_t end = std::min(first + retention::kInt4Group, in);
    double largest = 0, sum = 0;
    for (int64_t i = first; i < end; ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(x[row * in + i])));
      sum += std::abs(weight[o * in + i]);
    }
    bound += largest / 127 * (0.5 + 1e-4) * sum;
  }
  return bound + 1e-6;
}

}  // namespace

TEST_CASE("int4 keeps 4.5 bits a weight within the error of its levels", "[int4]") {
  const auto weight = normal(256 * 1024, 1);
  const Packed packed(1024, 256, weight);
  CHECK(packed.weights.bytes() * 8.0 / static_cast<double>(weight.size()) == 4.5);
  const double error = relative_error(packed.unpacked(), weight);
  std::printf("  int4 of normal values: error %.4f of their size\n", error);
  CHECK(error < 0.0745);  // 0.0734 when every scale is found; evenly spaced levels reach 0.081
  CHECK(error > 0.07);    // less would mean that the measure is wrong
}

TEST_CASE("int4 keeps zeros, single values and what is not finite", "[int4]") {
  std::vector<float> weight(3 * 64, 0.0f);
  weight[5] = -0.75f;             // alone in its group
  weight[64 + 40] = 1e-38f;       // too small for a scale
  weight[2 * 64 + 3] = INFINITY;  // its group is lost
  weight[2 * 64 + 33] = 2.0f;
  const auto values = Packed(64, 3, weight).unpacked();
  for (int64_t i = 0; i < 2 * 64; ++i) {
    if (i == 5) continue;
    INFO(i);
    CHECK(values[i] == 0.0f);
  }
  CHECK(values[5] == Approx(-0.75f).epsilon(0.004));  // one rounding of the scale to bfloat16
  for (int64_t i = 0; i < 32; ++i) CHECK(std::isnan(values[2 * 64 + i]));
  CHECK(values[2 * 64 + 33] == Approx(2.0f).epsilon(0.004));
  CHECK(values[2 * 64 + 34] == 0.0f);
}

TEST_CASE("int4 weights have the same bits for any number of threads", "[int4]") {
  const auto weight = normal(300 * 77, 1);
  const Packed one(77, 300, weight, 1), three(77, 300, weight, 3);
  CHECK(std::memcmp(one.weights.values, three.weights.values, one.weights.bytes()) == 0);
}

TEST_CASE("int4 products equal the sums in double within the rounding of inputs", "[int4]") {
  if (retention::int4_linear() == nullptr) return;
  WorstDeviation worst("int4 products, share of the bound");
  for (const int64_t in : {1, 7, 20, 63, 1000}) {
    for (const int64_t out : {1, 7, 63, 130}) {
      const Packed packed(in, out, normal(in * out, 1));
      const auto weight = packed.unpacked(), bias = normal(out, 2);
      for (const int64_t rows : {1, 2, 3, 4, 5, 8, 11, 16, 17, 33, 64, 65, 131}) {
        const auto x = normal(rows * in, 3), before = normal(rows * out, 4);
        std::vector<float> expected(rows * out), y(rows * out, NAN);
        retention::int4_linear_reference({rows, packed.weights}, x.data(), expected.data());
        const bool accumulate = rows % 2 == 1;
        if (accumulate) y = before;
        packed.run(rows, x.data(), {.floats = y.data(), .bias = bias.data(), .accumulate = accumulate}, 2);
        double most = 0;
        for (int64_t i = 0; i < rows * out; ++i) {
          const double sum = static_cast<double>(expected[i]) + bias[i % out] + (accumulate ? before[i] : 0);
          most = std::max(most,
                          std::abs(y[i] - sum) / (input_bound(x, i / out, weight, in, i % out) + 1e-6 * std::abs(sum)));
          if (std::isnan(y[i])) most = INFINITY;
        }
        CHECK(worst.add(std::to_string(rows) + "x" + std::to_string(in) + "x" + std::to_string(out), most) < 1);
      }
    }
  }
}

TEST_CASE("int4 products pass on what is not finite, in its row alone", "[int4]") {
  if (retention::int4_linear() == nullptr) return;
  constexpr int64_t in = 70, out = 5, rows = 3;
  const Packed packed(in, out, normal(in * out, 1));
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const int64_t at : {0, 20, 31, 69}) {
      auto x = normal(rows * in, 3);
      x[in + at] = bad;
      std::vector<float> y(rows * out, 0.0f);
      packed.run(rows, x.data(), {.floats = y.data()}, 1);
      for (int64_t i = 0; i < rows * out; ++i) CHECK(std::isfinite(y[i]) == (i / out != 1));
    }
  }
}

TEST_CASE("an int4 row has the same bits among any rows and for any number of threads", "[int4]") {
  if (retention::int4_linear() == nullptr) return;
  constexpr int64_t in = 300, out = 150, rows = 70;
  const Packed packed(in, out, normal(in * out, 1));
  const auto x = normal(rows * in, 3), bias = normal(out, 4);
  const auto run = [&](int64_t first, int64_t count, int threads) {
    std::vector<float> y(count * out, NAN);
    packed.run(count, x.data() + first * in, {.floats = y.data(), .bias = bias.data(), .activation = Activation::gelu},
               threads);
    return y;
  };
  const auto all = run(0, rows, 1);
  CHECK(run(0, rows, 2) == all);
  CHECK(run(0, rows, 3) == all);
  const auto part = [&](int64_t first, int64_t count) {
    return std::vector<float>(all.begin() + first * out, all.begin() + (first + count) * out);
  };
  for (int64_t row = 0; row < rows; ++row) CHECK(run(row, 1, 2) == part(row, 1));
  for (int64_t count = 2; count < 20; ++count) CHECK(run(3, count, 2) == part(3, count));
  std::vector<bfloat16> half(rows * out);
  packed.run(rows, x.data(), {.halves = half.data(), .bias = bias.data(), .activation = Activation::gelu}, 2);
  CHECK(widened(half) == rounded(all));
}
