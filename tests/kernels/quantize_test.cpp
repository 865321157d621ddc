#include <cstring>

#include <kernels/random_values.h>
#include <retention/kernels/layer_norm.h>
#include <retention/kernels/quantize.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using retention::QuantizedRows;

namespace {

struct Quantized {
  std::vector<int8_t> values;
  std::vector<float> scales;

  Quantized(int64_t rows, int64_t channels) : values(rows * channels, 99), scales(rows, NAN) {}
  QuantizedRows view() { return {values.data(), scales.data()}; }
  bool operator==(const Quantized&) const = default;
};

// Scales agree to rounding; values may differ by one where the quotient lies beside a half.
void check_close(const Quantized& actual, const Quantized& expected, double share_of_ones) {
  CHECK(deviation(actual.scales, expected.scales) < 1e-6);
  int64_t ones = 0;
  for (size_t i = 0; i < actual.values.size(); ++i) {
    const int difference = std::abs(actual.values[i] - expected.values[i]);
    REQUIRE(difference <= 1);
    ones += difference;
  }
  CHECK(static_cast<double>(ones) <= share_of_ones * static_cast<double>(actual.values.size()) + 1);
}

}  // namespace

TEST_CASE("rows are quantised as by the reference", "[quantize]") {
  for (const int64_t rows : {1, 2, 63, 197}) {
    for (const int64_t channels : {1, 7, 16, 20, 64, 80, 112, 513}) {
      CAPTURE(rows, channels);
      auto x = normal(rows * channels, 1);
      for (int64_t i = 0; i < channels; ++i) x[i] = 0;
      Quantized expected(rows, channels), actual(rows, channels), again(rows, channels);
      const retention::QuantizeProblem p{rows, channels};
      retention::quantize_rows_reference(p, x.data(), expected.view());
      if (!retention::quantize_rows(p, x.data(), actual.view(), 2)) return;
      CHECK(actual.scales[0] == 0);
      // The product with 127 / max and the quotient round apart for about one value in a million.
      check_close(actual, expected, 1e-4);
      const auto exact = rounded(x);
      const auto half = converted<bfloat16>(x);
      retention::quantize_rows(p, exact.data(), actual.view(), 2);
      for (const int threads : {1, 3}) {
        retention::quantize_rows(p, half.data(), again.view(), threads);
        CHECK(again == actual);
      }
    }
  }
}

TEST_CASE("quantised rows reach 127 and survive extremes", "[quantize]") {
  const float x[3][4] = {{-2, 1, 0.5f, 0}, {1e-38f, -1e-38f, 0, 0}, {3e38f, -3e38f, 1, 0}};
  Quantized q(3, 4);
  if (!retention::quantize_rows({3, 4}, x[0], q.view(), 1)) return;
  CHECK(q.values == std::vector<int8_t>{-127, 64, 32, 0, 0, 0, 0, 0, 127, -127, 0, 0});
  CHECK(q.scales[0] == Approx(2.0 / 127));
  CHECK(q.scales[1] == 0);
}

TEST_CASE("a value that is not finite is left in its row's scale, and in no other's", "[quantize]") {
  constexpr int64_t rows = 9;
  for (const int64_t channels : {1, 7, 16, 33, 80}) {
    for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
      for (const int64_t at : {int64_t{0}, channels / 2, channels - 1}) {
        CAPTURE(channels, bad, at);
        const retention::QuantizeProblem p{rows, channels};
        auto x = normal(rows * channels, 1);
        x[4 * channels + at] = bad;
        x[8 * channels + at] = bad;
        Quantized reference(rows, channels), actual(rows, channels);
        retention::quantize_rows_reference(p, x.data(), reference.view());
        if (!retention::quantize_rows(p, x.data(), actual.view(), 1)) return;
        for (int64_t row = 0; row < rows; ++row) {
          CHECK(std::isfinite(reference.scales[row]) == (row != 4 && row != 8));
          CHECK(std::isfinite(actual.scales[row]) == (row != 4 && row != 8));
        }
        const auto half = converted<bfloat16>(x);
        retention::quantize_rows(p, half.data(), actual.view(), 1);
        CHECK_FALSE(std::isfinite(actual.scales[4]));
      }
    }
  }
}

TEST_CASE("layer norm quantises its output", "[quantize]") {
  for (const int64_t channels : {1, 7, 16, 20, 64, 80, 512}) {
    const int64_t rows = 63;
    CAPTURE(channels);
    const retention::LayerNormProblem p{.rows = rows, .channels = channels};
    const auto x = normal(rows * channels, 1, 3), weight = normal(channels, 2), bias = normal(channels, 3);
    std::vector<float> normalised(x.size());
    Quantized expected(rows, channels), actual(rows, channels), again(rows, channels);
    retention::layer_norm_reference(p, x.data(), weight.data(), bias.data(), normalised.data());
    retention::quantize_rows_reference({rows, channels}, normalised.data(), expected.view());
    if (!retention::layer_norm(p, x.data(), weight.data(), bias.data(), actual.view(), 2)) return;
    // A norm good to 1e-6 of the largest value moves 127 * 1e-6 * 2 of the quotients across a half.
    check_close(actual, expected, 1e-3);
    retention::layer_norm(p, x.data(), weight.data(), bias.data(), again.view(), 3);
    CHECK(again == actual);
  }
}
