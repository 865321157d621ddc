#include <cstring>

#include <kernels/random_values.h>
#include <retention/kernels/activation.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;

namespace {

// Dense over the range where GELU bends, with a ragged tail.
std::vector<float> line() {
  std::vector<float> x;
  for (int i = -120000; i <= 120000; ++i) x.push_back(static_cast<float>(i) * 1e-4f);
  for (const float value : {-1e30f, -60.0f, 60.0f, 1e30f, 1e-30f, -1e-30f}) x.push_back(value);
  return x;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    // Beyond 1 it is the rounding of the value itself.
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]) / std::max(1.0f, std::abs(b[i]));
    most = std::isnan(difference) ? INFINITY : std::max(most, difference);
  }
  return most;
}

}  // namespace

TEST_CASE("fast GELU is the erf form", "[activation]") {
  const auto x = line();
  const auto count = static_cast<int64_t>(x.size());
  std::vector<float> expected(x.size()), actual(x.size(), NAN);
  retention::gelu_reference(count, x.data(), expected.data());
  CHECK(expected[120000 + 10000] == Approx(0.8413447460685429));
  if (!retention::gelu(count, x.data(), actual.data(), 2)) return;
  WorstDeviation worst("gelu fp32"), worst_half("gelu bf16");
  CHECK(worst.add("[-12, 12]", largest_difference(actual, expected)) < 1e-6);

  const auto exact = rounded(x);
  auto half = converted<bfloat16>(exact);
  retention::gelu_reference(count, exact.data(), expected.data());
  retention::gelu(count, half.data(), half.data(), 3);
  // One rounding to 8 significant bits, 2^-8 of the value, and 1e-4 of the approximation.
  CHECK(worst_half.add("[-12, 12]", largest_difference(widened(half), expected)) < 0.0040 + 1e-4);
}

TEST_CASE("fast GELU keeps NaN and the infinities", "[activation]") {
  const float x[3] = {NAN, INFINITY, -INFINITY};
  float y[3] = {};
  if (!retention::gelu(3, x, y, 1)) return;
  CHECK(std::isnan(y[0]));
  CHECK(y[1] == INFINITY);
  CHECK(std::abs(y[2]) < 1e-6);
}

TEST_CASE("GELU's gradient equals the reference and finite differences", "[activation]") {
  const auto x = line();
  const auto count = static_cast<int64_t>(x.size());
  const auto dy = normal(count, 1);
  std::vector<float> expected(x.size()), actual(x.size(), NAN);
  retention::gelu_backward_reference(count, x.data(), dy.data(), expected.data());
  for (const double at : {-2.0, -0.3, 0.0, 0.7, 3.0}) {
    const float points[2] = {static_cast<float>(at - 0.0078125), static_cast<float>(at + 0.0078125)};
    const float point = static_cast<float>(at), one = 1;
    float values[2], slope = 0;
    retention::gelu_reference(2, points, values);
    retention::gelu_backward_reference(1, &point, &one, &slope);
    CHECK(slope == Approx((values[1] - values[0]) / 0.015625).margin(5e-5));
  }
  if (!retention::gelu_backward(count, x.data(), dy.data(), actual.data(), 2)) return;
  WorstDeviation worst("gelu backward fp32");
  // The slope's 1e-6 times |dy|, which stays below 6.
  CHECK(worst.add("[-12, 12]", largest_difference(actual, expected)) < 6e-6);
}
