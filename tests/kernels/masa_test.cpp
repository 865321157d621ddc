#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include <retention/kernels/decay.h>
#include <retention/kernels/masa.h>
#include <retention/kernels/masa_reference.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using retention::MasaProblem;
using retention::MasaStrides;

namespace {

/// Inputs as one projection leaves them: q, k and v side by side in rows of 3 C.
struct Inputs {
  explicit Inputs(const MasaProblem& p, float deviation = 1.0f)
      : channels(p.heads * p.head_dim), tokens(p.batch * p.height * p.width), log_gamma(p.heads), angle(p.head_dim) {
    std::mt19937_64 random(7);
    std::normal_distribution<float> normal(0.0f, deviation), unit;
    qkv.resize(3 * channels * tokens);
    for (int64_t i = 0; i < std::ssize(qkv); ++i) {
      const bool value = i % (3 * channels) >= 2 * channels;
      // Exact in bfloat16, so that both element types have the same reference.
      qkv[i] = static_cast<float>(bfloat16(value ? unit(random) : normal(random)));
    }
    retention::log_gamma_rmt(p.heads, 2, 4, log_gamma.data());
    retention::rotary_angles(p.head_dim, angle.data());
  }

  /// q, k or v alone.
  std::vector<double> part(int64_t index) const {
    std::vector<double> x(channels * tokens);
    for (int64_t i = 0; i < std::ssize(x); ++i)
      x[i] = qkv[i / channels * 3 * channels + index * channels + i % channels];
    return x;
  }

  int64_t channels, tokens;
  std::vector<float> qkv, log_gamma, angle;
};

std::vector<double> expected(const MasaProblem& p, const Inputs& in, bool decomposed) {
  const auto q = in.part(0), k = in.part(1), v = in.part(2);
  std::vector<double> out(q.size());
  const auto run = decomposed ? retention::masa_decomposed_reference<double> : retention::masa_reference<double>;
  run(p, q.data(), k.data(), v.data(), in.log_gamma.data(), in.angle.data(), out.data());
  return out;
}

struct Aligned {
  explicit Aligned(int64_t bytes) : memory(bytes / sizeof(float) + 16, NAN) {}
  void* get() {
    void* at = memory.data();
    size_t room = memory.size() * sizeof(float);
    return std::align(64, 64, at, room);
  }
  std::vector<float> memory;
};

/// The kernel on elements of type T, its scratch and result full of NaN before; empty where nothing runs.
template <class T>
std::vector<T> computed(const MasaProblem& p, const Inputs& in, bool decomposed, int threads) {
  const int64_t c = in.channels, grid = p.height * p.width;
  const std::vector<T> qkv(in.qkv.begin(), in.qkv.end());
  std::vector<T> out(c * in.tokens, T(NAN));
  std::vector<float> sin(grid * p.head_dim / 2), cos(sin.size());
  retention::masa_rotary_tables(grid, p.head_dim, in.angle.data(), sin.data(), cos.data());
  Aligned workspace(decomposed ? retention::masa_decomposed_workspace_bytes(p, threads)
                               : retention::masa_workspace_bytes(p, threads));
  const auto run = decomposed ? retention::masa_decomposed<T> : retention::masa<T>;
  const bool ran = run(p, MasaStrides{3 * c, 3 * c, 3 * c, c}, qkv.data(), qkv.data() + c, qkv.data() + 2 * c,
                       in.log_gamma.data(), {sin.data(), cos.data()}, out.data(), workspace.get(), threads);
  if (!ran) out.clear();
  return out;
}

std::vector<float> widened(const std::vector<bfloat16>& x) { return std::vector<float>(x.begin(), x.end()); }

std::string name(const MasaProblem& p) {
  return std::string(p.decay_mode == DecayMode::paper ? "paper " : "") + std::to_string(p.batch) + "x" +
         std::to_string(p.height) + "x" + std::to_string(p.width) + "x" + std::to_string(p.heads) + "x" +
         std::to_string(p.head_dim);
}

/// The largest |q| |k| k_scale, which bounds every score.
double score_bound(const MasaProblem& p, const Inputs& in) {
  double squares[2] = {0, 0};
  for (int part = 0; part < 2; ++part) {
    const auto x = in.part(part);
    for (int64_t i = 0; i < std::ssize(x); i += p.head_dim) {
      double sum = 0;
      for (int64_t c = i; c < i + p.head_dim; ++c) sum += x[c] * x[c];
      squares[part] = std::max(squares[part], sum);
    }
  }
  return std::sqrt(squares[0] * squares[1]) * p.k_scale;
}

double largest(const std::vector<double>& x) {
  double most = 0;
  for (const double value : x) most = std::max(most, std::abs(value));
  return most;
}

/// What bfloat16 (u = 2^-8) may add in the project's metric. q and k: scores move by at most 2u times their bound,
/// normalised weights by the factor e^(2 * that). Probabilities: 2u after normalisation. Result of a pass: u. The
/// exponential: 3e-4. Weights average values, so that the second pass of the decomposed form adds as much again.
double bfloat16_bound(const MasaProblem& p, const Inputs& in, const std::vector<double>& truth, bool decomposed) {
  const double u = 1.0 / 256;
  const double pass = std::exp(4 * u * score_bound(p, in)) - 1 + 3 * u + 3e-4;
  return (decomposed ? 2 : 1) * pass * largest(in.part(2)) / std::max(1.0, largest(truth));
}

/// One per form: [full, decomposed].
struct Worst {
  WorstDeviation fp32[2] = {WorstDeviation("masa fp32"), WorstDeviation("masa_decomposed fp32")};
  WorstDeviation bf16[2] = {WorstDeviation("masa bf16"), WorstDeviation("masa_decomposed bf16")};
};

void check(const MasaProblem& p, const Inputs& in, bool decomposed, Worst& worst, double bound = 1e-5) {
  const auto truth = expected(p, in, decomposed);
  const auto actual = computed<float>(p, in, decomposed, 2);
  INFO(name(p) << (decomposed ? " decomposed" : " full"));
  REQUIRE(actual.size() == truth.size());
  CHECK(worst.fp32[decomposed].add(name(p), deviation(actual, truth)) < bound);
  const auto half = widened(computed<bfloat16>(p, in, decomposed, 2));
  CHECK(worst.bf16[decomposed].add(name(p), deviation(half, truth)) < bfloat16_bound(p, in, truth, decomposed));
}

bool runs_here() { return retention::masa_implementation<float>() != nullptr; }

MasaProblem problem(int64_t batch, int64_t height, int64_t width, int64_t heads, int64_t head_dim, DecayMode mode) {
  return {.batch = batch,
          .height = height,
          .width = width,
          .heads = heads,
          .head_dim = head_dim,
          .k_scale = 1 / std::sqrt(head_dim),
          .decay_mode = mode};
}

constexpr DecayMode kModes[] = {DecayMode::release, DecayMode::paper};

}  // namespace

TEST_CASE("fused MaSA equals the reference on odd shapes", "[masa]") {
  if (!runs_here()) return;
  Worst worst;
  const int64_t grids[][2] = {{1, 1}, {7, 5}, {1, 9}, {9, 1}, {14, 14}, {3, 33}, {25, 42}};
  for (const auto [height, width] : grids) {
    for (const int64_t head_dim : {2, 16, 20, 32, 70}) {
      for (const int64_t heads : {1, 3}) {
        const bool large = height * width > 200;
        if (large && (heads == 1) != (head_dim > 20)) continue;
        for (const auto mode : kModes) {
          const auto p = problem(large ? 1 : 2, height, width, heads, head_dim, mode);
          const Inputs in(p, 0.5f);
          for (const bool decomposed : {false, true}) check(p, in, decomposed, worst);
        }
      }
    }
  }
}

TEST_CASE("fused MaSA on lines and grids of many blocks", "[masa]") {
  if (!runs_here()) return;
  Worst worst;
  for (const auto mode : kModes) {
    // Beyond the table of decays; several blocks of keys.
    const auto grid = problem(1, 28, 50, 1, 16, mode);
    check(grid, Inputs(grid, 0.5f), false, worst);
    for (const auto& p : {problem(1, 2, 601, 1, 16, mode), problem(1, 300, 3, 2, 32, mode)}) {
      check(p, Inputs(p, 0.5f), true, worst);
    }
  }
}

TEST_CASE("fused MaSA with scores beyond the range of exponentials", "[masa]") {
  if (!runs_here()) return;
  Worst worst;
  for (const auto mode : kModes) {
    for (const auto& p : {problem(1, 7, 5, 3, 16, mode), problem(1, 20, 15, 1, 32, mode)}) {
      for (const float deviation : {6.0f, 40.0f}) {
        const Inputs in(p, deviation);
        // A score of s is known to s times the rounding unit times the length of its sum, at worst.
        const double bound = std::exp(score_bound(p, in) * 8 / (1 << 24)) - 1;
        for (const bool decomposed : {false, true}) check(p, in, decomposed, worst, bound + 1e-5);
      }
    }
  }
}

TEST_CASE("fused MaSA at the ends of the decay", "[masa]") {
  if (!runs_here()) return;
  Worst worst;
  for (const auto mode : kModes) {
    for (const float log_gamma : {0.0f, -3.0f, -90.0f, -1e4f}) {
      const auto p = problem(1, 12, 7, 2, 16, mode);
      Inputs in(p, 0.5f);
      in.log_gamma = {log_gamma, log_gamma};
      for (const bool decomposed : {false, true}) check(p, in, decomposed, worst);
    }
    // Only the token itself is left, and no distance makes a NaN of it.
    for (const float log_gamma : {-1e4f, -3e38f, -INFINITY}) {
      const auto p = problem(1, 18, 17, 1, 16, DecayMode::release);
      Inputs in(p);
      in.log_gamma = {log_gamma};
      for (const bool decomposed : {false, true}) {
        CHECK(deviation(computed<float>(p, in, decomposed, 1), in.part(2)) < 1e-6);
        CHECK(deviation(widened(computed<bfloat16>(p, in, decomposed, 1)), in.part(2)) < 3.0 / 256);
      }
    }
  }
}

TEST_CASE("the number of threads changes no bit of fused MaSA", "[masa]") {
  if (!runs_here()) return;
  for (const auto& p : {problem(1, 7, 5, 3, 32, DecayMode::release), problem(2, 25, 13, 3, 16, DecayMode::paper),
                        problem(1, 1, 300, 1, 20, DecayMode::release)}) {
    const Inputs in(p);
    for (const bool decomposed : {false, true}) {
      const auto one = computed<float>(p, in, decomposed, 1);
      const auto half = widened(computed<bfloat16>(p, in, decomposed, 1));
      for (const int threads : {2, 3}) {
        INFO(name(p) << " threads " << threads);
        CHECK(computed<float>(p, in, decomposed, threads) == one);
        CHECK(widened(computed<bfloat16>(p, in, decomposed, threads)) == half);
      }
    }
  }
}

TEST_CASE("fused MaSA keeps to its strides", "[masa]") {
  if (!runs_here()) return;
  const auto p = problem(2, 5, 6, 2, 16, DecayMode::release);
  const Inputs in(p);
  const int64_t c = in.channels;
  const auto apart = [&](int64_t part, int64_t stride) {
    std::vector<float> x(in.tokens * stride, NAN);
    const auto values = in.part(part);
    for (int64_t i = 0; i < std::ssize(values); ++i) x[i / c * stride + i % c] = static_cast<float>(values[i]);
    return x;
  };
  const MasaStrides strides{c, c + 3, 2 * c, c + 5};
  const auto q = apart(0, strides.q), k = apart(1, strides.k), v = apart(2, strides.v);
  std::vector<float> sin(30 * 8), cos(30 * 8);
  retention::masa_rotary_tables(30, 16, in.angle.data(), sin.data(), cos.data());
  for (const bool decomposed : {false, true}) {
    Aligned workspace(decomposed ? retention::masa_decomposed_workspace_bytes(p, 2)
                                 : retention::masa_workspace_bytes(p, 2));
    std::vector<float> out(in.tokens * strides.out, -7.0f);
    const auto run = decomposed ? retention::masa_decomposed<float> : retention::masa<float>;
    run(p, strides, q.data(), k.data(), v.data(), in.log_gamma.data(), {sin.data(), cos.data()}, out.data(),
        workspace.get(), 2);
    const auto packed = computed<float>(p, in, decomposed, 2);
    for (int64_t i = 0; i < std::ssize(out); ++i) {
      const int64_t channel = i % strides.out;
      REQUIRE(out[i] == (channel < c ? packed[i / strides.out * c + channel] : -7.0f));
    }
  }
}

TEST_CASE("rotary tables of fused MaSA hold one of each pair", "[masa]") {
  float angle[8];
  retention::rotary_angles(8, angle);
  std::vector<float> sin(200 * 8), cos(200 * 8), half_sin(200 * 4), half_cos(200 * 4);
  retention::rotary_table(200, 8, angle, sin.data(), cos.data());
  retention::masa_rotary_tables(200, 8, angle, half_sin.data(), half_cos.data());
  for (int64_t i = 0; i < 200 * 4; ++i) {
    REQUIRE(half_sin[i] == sin[2 * i]);
    REQUIRE(half_cos[i] == cos[2 * i]);
  }
}

TEST_CASE("fused MaSA says what it runs on and what it passed over", "[masa]") {
  std::vector<retention::Declined> declined;
  const char* implementation = retention::masa_implementation<bfloat16>(&declined);
  const std::string_view best = implementation == nullptr ? "portable" : implementation;
  CHECK(best == enum_name(cpu_isa()));
  CHECK(declined.size() == 3 - static_cast<size_t>(cpu_isa()));
}
