#include <algorithm>
#include <array>
#include <string>

#include <kernels/random_values.h>
#include <retention/kernels/decay.h>
#include <retention/kernels/head_norm.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::retention;

namespace {

struct NormCase {
  int64_t tokens, heads, dim;
  std::vector<float> x, g, dy, weight, row_eps;

  NormCase(int64_t t, int64_t n, int64_t d)
      : tokens(t),
        heads(n),
        dim(d),
        x(normal(t * (n * d + 3), 1)),
        g(rounded(normal(t * (n * d + 5), 2, 0.5f))),
        dy(normal(t * (n * d + 1), 3)),
        weight(normal(d, 4, 1)) {
    for (int64_t i = 0; i < t * n; ++i) row_eps.push_back(0.01f * static_cast<float>(i % 7));
    // Sigmoid's flat ends; with a single value to a row dx is what is left of the difference of equals.
    if (t > 1 && d > 1) g[0] = 60, g[1] = -60, g[2] = -120;
  }

  HeadNormProblem problem(bool weighted, bool row) const {
    return {.tokens = tokens,
            .heads = heads,
            .dim = dim,
            .eps = 1e-3f,
            .x_stride = heads * dim + 3,
            .g_stride = heads * dim + 5,
            .y_stride = heads * dim + 1,
            .row_eps = row ? row_eps.data() : nullptr,
            .weight = weighted ? weight.data() : nullptr};
  }

  std::string name() const { return std::to_string(tokens) + "x" + std::to_string(heads) + "x" + std::to_string(dim); }

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

std::vector<NormCase> cases() { return {{2, 1, 1}, {1, 3, 16}, {5, 3, 20}, {130, 2, 50}, {7, 1, 64}, {9, 4, 432}}; }

template <class G, class Y>
void check_fast(const NormCase& c, const HeadNormProblem& p, bool gated, const std::vector<float>& expected,
                double bound, WorstDeviation& worst) {
  const auto gate = converted<G>(c.g);
  std::vector<Y> y(c.tokens * p.y_stride, Y(NAN));
  if (!head_norm_gate<G, Y>(p, c.x.data(), gated ? gate.data() : nullptr, y.data(), 1)) return;
  const auto floats = [&](const std::vector<Y>& values) {
    const auto kept = c.rows(values, p.y_stride);
    return std::vector<float>(kept.begin(), kept.end());
  };
  CHECK(worst.add(c.name(), deviation(floats(y), expected)) < bound);
  for (const int threads : {2, 3}) {
    std::vector<Y> other(y.size(), Y(NAN));
    head_norm_gate<G, Y>(p, c.x.data(), gated ? gate.data() : nullptr, other.data(), threads);
    CHECK(floats(other) == floats(y));
  }
}

template <class F>
void for_each_option(F&& fn) {
  for (const bool weighted : {false, true}) {
    for (const bool row : {false, true}) {
      for (const bool gated : {false, true}) fn(weighted, row, gated);
    }
  }
}

/// dx, dg and dweight, as they lie in memory, NaN where nothing was written.
struct NormGradients {
  std::vector<float> dx, dg, dweight;

  NormGradients(const NormCase& c, const HeadNormProblem& p)
      : dx(c.tokens * p.x_stride, NAN), dg(c.tokens * p.g_stride, NAN), dweight(c.dim, NAN) {}

  NormGradients fast(const NormCase& c, const HeadNormProblem& p, bool gated, int threads) const {
    NormGradients to = *this;
    std::vector<float> memory(head_norm_gate_backward_workspace_bytes(p) / 4 + 16, NAN);
    void* workspace = memory.data();
    size_t space = memory.size() * 4;
    std::align(64, space - 64, workspace, space);
    head_norm_gate_backward(p, c.x.data(), gated ? c.g.data() : nullptr, c.dy.data(), to.dx.data(),
                            gated ? to.dg.data() : nullptr, p.weight != nullptr ? to.dweight.data() : nullptr,
                            workspace, threads);
    return to;
  }
};

// Deviation where NaN, not written, must agree.
double written_deviation(std::vector<float> actual, std::vector<float> expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!std::isnan(actual[i]) || !std::isnan(expected[i])) continue;
    actual[i] = expected[i] = 0;
  }
  return deviation(actual, expected);
}

}  // namespace

TEST_CASE("head norm and gate by hand", "[head_norm]") {
  // mean of squares (9 + 16) / 2 = 12.5, with eps 3.5 the root is 4; silu(0) = 0, silu(ln 3) = 0.75 ln 3.
  const std::vector<float> x = {3, 4}, g = {0, std::log(3.0f)}, weight = {5, 2};
  std::vector<float> y(2);
  HeadNormProblem p = {.dim = 2, .eps = 3.5f, .x_stride = 2, .g_stride = 2, .y_stride = 2};
  head_norm_gate_reference(p, x.data(), nullptr, y.data());
  CHECK(y == std::vector<float>{0.75f, 1});
  p.weight = weight.data();
  const float row_eps = 12.5f;
  p.row_eps = &row_eps;
  head_norm_gate_reference(p, x.data(), g.data(), y.data());
  CHECK(y[0] == 0);
  CHECK(y[1] == Approx(0.8 * 2 * 0.75 * std::log(3.0)));
}

TEST_CASE("fast head norm equals the reference", "[head_norm]") {
  WorstDeviation worst("head norm fp32"), worst_bf16("head norm bf16");
  for (const NormCase& c : cases()) {
    for_each_option([&](bool weighted, bool row, bool gated) {
      const HeadNormProblem p = c.problem(weighted, row);
      std::vector<float> reference(c.tokens * p.y_stride, NAN);
      head_norm_gate_reference(p, c.x.data(), gated ? c.g.data() : nullptr, reference.data());
      const auto expected = c.rows(reference, p.y_stride);
      check_fast<float, float>(c, p, gated, expected, 2e-6, worst);
      check_fast<bfloat16, float>(c, p, gated, expected, 2e-6, worst);
      // One rounding to 8 significant bits: at most 2^-8 of the value.
      check_fast<float, bfloat16>(c, p, gated, expected, 0.0040, worst_bf16);
      check_fast<bfloat16, bfloat16>(c, p, gated, expected, 0.0040, worst_bf16);
    });
  }
}

TEST_CASE("eps times the row sum of decay equals dividing by its root", "[head_norm]") {
  // RetNet's recurrent form: rows divided by sqrt(s_n) before a norm with a constant eps.
  const NormCase c(40, 2, 20);
  const float log_gamma[] = {std::log(0.9f), 0};
  HeadNormProblem scaled = c.problem(false, false);
  auto x = c.x;
  std::vector<float> row_eps, expected(c.tokens * scaled.y_stride, NAN), actual(expected);
  for (int64_t t = 0; t < c.tokens; ++t) {
    for (int64_t h = 0; h < 2; ++h) {
      const double sum = row_sum(log_gamma[h], t);
      row_eps.push_back(static_cast<float>(scaled.eps * sum));
      for (int64_t i = 0; i < c.dim; ++i) {
        float& value = x[t * scaled.x_stride + h * c.dim + i];
        value = static_cast<float>(value / std::sqrt(sum));
      }
    }
  }
  head_norm_gate_reference(scaled, x.data(), c.g.data(), expected.data());
  scaled.row_eps = row_eps.data();
  head_norm_gate_reference(scaled, c.x.data(), c.g.data(), actual.data());
  CHECK(deviation(c.rows(actual, scaled.y_stride), c.rows(expected, scaled.y_stride)) < 1e-6);
}

TEST_CASE("the head norm's backward reference equals central differences", "[head_norm]") {
  NormCase c(2, 2, 5);
  const HeadNormProblem p = c.problem(true, true);
  NormGradients to(c, p);
  head_norm_gate_backward_reference(p, c.x.data(), c.g.data(), c.dy.data(), to.dx.data(), to.dg.data(),
                                    to.dweight.data());
  const auto value = [&] {
    std::vector<float> y(c.tokens * p.y_stride, 0);
    head_norm_gate_reference(p, c.x.data(), c.g.data(), y.data());
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * c.dy[i];
    return sum;
  };
  const auto check = [&](std::vector<float>& values, const std::vector<float>& gradients) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(gradients[i]) || std::abs(values[i]) > 50) continue;
      const float at = values[i], step = 1.0f / 512;
      values[i] = at + step;
      const double above = value();
      values[i] = at - step;
      const double below = value();
      values[i] = at;
      // References round to float, 6e-8 of about 10, over a step of 4e-3; the third derivative gives as much again.
      CHECK(gradients[i] == Approx((above - below) * 256).margin(1e-3).epsilon(1e-3));
    }
  };
  check(c.x, to.dx);
  check(c.g, to.dg);
  check(c.weight, to.dweight);
}

TEST_CASE("fast head norm gradients equal the reference", "[head_norm]") {
  WorstDeviation worst("head norm backward");
  for (const NormCase& c : cases()) {
    for_each_option([&](bool weighted, bool row, bool gated) {
      const HeadNormProblem p = c.problem(weighted, row);
      const NormGradients empty(c, p);
      NormGradients expected = empty;
      head_norm_gate_backward_reference(p, c.x.data(), gated ? c.g.data() : nullptr, c.dy.data(), expected.dx.data(),
                                        expected.dg.data(), expected.dweight.data());
      std::vector<float> probe(c.tokens * p.y_stride);
      if (!head_norm_gate<float, float>(p, c.x.data(), nullptr, probe.data(), 1)) return;
      const NormGradients actual = empty.fast(c, p, gated, 1);
      CHECK(worst.add(c.name() + " dx", written_deviation(actual.dx, expected.dx)) < 1e-5);
      CHECK(worst.add(c.name() + " dg", written_deviation(actual.dg, expected.dg)) < 1e-5);
      CHECK(worst.add(c.name() + " dweight", written_deviation(actual.dweight, expected.dweight)) < 1e-5);
      for (const int threads : {2, 3}) {
        const NormGradients other = empty.fast(c, p, gated, threads);
        CHECK(written_deviation(other.dx, actual.dx) == 0);
        CHECK(written_deviation(other.dg, actual.dg) == 0);
        CHECK(written_deviation(other.dweight, actual.dweight) == 0);
      }
    });
  }
}
