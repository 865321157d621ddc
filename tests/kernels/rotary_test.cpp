#include <algorithm>
#include <array>
#include <string>

#include <kernels/random_values.h>
#include <retention/kernels/rotary.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::retention;

namespace {

struct RotaryCase {
  int64_t tokens, heads, dim;
  std::vector<float> sin, cos, x;

  RotaryCase(int64_t t, int64_t n, int64_t d) : tokens(t), heads(n), dim(d), x(rounded(normal(t * (n * d + 5), 1))) {
    for (const float phase : normal(t * d / 2, 2, 3)) {
      sin.push_back(std::sin(phase));
      cos.push_back(std::cos(phase));
    }
  }

  RotaryProblem problem(RotaryStyle style, float scale, bool back) const {
    return {tokens, heads, dim, style, scale, back, heads * dim + 5, heads * dim + 2, sin.data(), cos.data()};
  }

  // Rows without what lies between them, which must be as it was.
  template <class T>
  std::vector<T> rows(const std::vector<T>& y, int64_t stride) const {
    std::vector<T> kept;
    for (int64_t t = 0; t < tokens; ++t) {
      kept.insert(kept.end(), y.begin() + t * stride, y.begin() + t * stride + heads * dim);
      for (int64_t c = heads * dim; c < stride; ++c) CHECK(std::isnan(static_cast<float>(y[t * stride + c])));
    }
    return kept;
  }
};

constexpr RotaryStyle kStyles[] = {RotaryStyle::interleaved, RotaryStyle::half_split};

}  // namespace

TEST_CASE("rotation by hand", "[rotary]") {
  const float sin[] = {1, 0}, cos[] = {0, 1};
  const std::vector<float> x = {1, 2, 3, 4};
  std::vector<float> y(4);
  RotaryProblem p = {1, 1, 4, RotaryStyle::interleaved, 2, false, 4, 4, sin, cos};
  rotary_reference(p, x.data(), y.data());
  CHECK(y == std::vector<float>{-4, 2, 6, 8});
  p.style = RotaryStyle::half_split;
  rotary_reference(p, x.data(), y.data());
  CHECK(y == std::vector<float>{-6, 4, 2, 8});
  p.back = true;
  rotary_reference(p, x.data(), y.data());
  CHECK(y == std::vector<float>{6, 4, -2, 8});
}

TEST_CASE("fast rotation equals the reference", "[rotary]") {
  WorstDeviation worst("rotary fp32"), worst_bf16("rotary bf16");
  for (const RotaryStyle style : kStyles) {
    for (const bool back : {false, true}) {
      for (const auto& [tokens, heads, dim] :
           {std::array<int64_t, 3>{1, 1, 2}, {5, 3, 16}, {7, 1, 20}, {3, 3, 32}, {2, 5, 66}, {4, 2, 256}}) {
        const RotaryCase c(tokens, heads, dim);
        const RotaryProblem p = c.problem(style, 0.75f, back);
        std::vector<float> reference(tokens * p.y_stride, NAN), y(reference);
        rotary_reference(p, c.x.data(), reference.data());
        const auto expected = c.rows(reference, p.y_stride);
        if (!rotary(p, c.x.data(), y.data(), 1)) return;
        const auto name = std::to_string(tokens) + "x" + std::to_string(heads) + "x" + std::to_string(dim);
        CHECK(worst.add(name, deviation(c.rows(y, p.y_stride), expected)) < 1e-6);
        for (const int threads : {2, 3}) {
          std::vector<float> other(y.size(), NAN);
          rotary(p, c.x.data(), other.data(), threads);
          CHECK(c.rows(other, p.y_stride) == c.rows(y, p.y_stride));
        }
        const auto half_x = converted<bfloat16>(c.x);
        std::vector<bfloat16> half(y.size(), bfloat16(NAN));
        rotary(p, half_x.data(), half.data(), 2);
        // One rounding to 8 significant bits: at most 2^-8 of the value.
        CHECK(worst_bf16.add(name, deviation(widened(c.rows(half, p.y_stride)), expected)) < 0.0040);
      }
    }
  }
}

TEST_CASE("turning back undoes a rotation, in place", "[rotary]") {
  for (const RotaryStyle style : kStyles) {
    const RotaryCase c(6, 3, 20);
    RotaryProblem p = c.problem(style, 2, false);
    p.y_stride = p.x_stride;
    auto x = c.x;
    if (!rotary(p, x.data(), x.data(), 2)) return;
    std::vector<float> apart(x.size(), NAN);
    rotary(p, c.x.data(), apart.data(), 2);
    for (int64_t t = 0; t < c.tokens; ++t) {
      for (int64_t i = 0; i < c.heads * c.dim; ++i) REQUIRE(x[t * p.x_stride + i] == apart[t * p.x_stride + i]);
    }
    CHECK(deviation(x, c.x) > 0.1);
    p.scale = 0.5f;
    p.back = true;
    rotary(p, x.data(), x.data(), 2);
    CHECK(deviation(x, c.x) < 1e-6);
  }
}
