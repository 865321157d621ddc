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

/// What rounding to bfloat16 (u = 2^-8) may add, values being at most `value` and scores q . k at most `score`.
/// q and k: |s| changes by at most 2u|s|, a weight by that factor; probabilities: u; the intermediate v' and the
/// result: u each; both passes of the decomposed form do all of it.
double bfloat16_bound(double score, bool decomposed) {
  const double u = 1.0 / 256;
  const double pass = std::exp(2 * 2 * u * score) - 1 + 2 * u;
  return decomposed ? 2 * pass : pass;
}

double largest_score(const MasaProblem& p, const Inputs& in) {
  const auto q = in.part(0), k = in.part(1);
  double q_norm = 0, k_norm = 0;
  for (int64_t i = 0; i < std::ssize(q); i += p.head_dim) {
    double a = 0, b = 0;
    for (int64_t c = i; c < i + p.head_dim; ++c) a += q[c] * q[c], b += k[c] * k[c];
    q_norm = std::max(q_norm, a), k_norm = std::max(k_norm, b);
  }
  return std::sqrt(q_norm * k_norm) * p.k_scale;
}

void check(const MasaProblem& p, bool decomposed, WorstDeviation& fp32, WorstDeviation& bf16) {
  const Inputs in(p);
  const auto truth = expected(p, in, decomposed);
  const auto actual = computed<float>(p, in, decomposed, 2);
  INFO(name(p) << (decomposed ? " decomposed" : " full"));
  REQUIRE(actual.size() == truth.size());
  CHECK(fp32.add(name(p), deviation(actual, truth)) < 1e-5);
  const auto half = widened(computed<bfloat16>(p, in, decomposed, 2));
  CHECK(bf16.add(name(p), deviation(half, truth)) < bfloat16_bound(largest_score(p, in), decomposed));
}

bool runs_here() { return retention::masa_implementation<float>() != nullptr; }

}  // namespace

TEST_CASE("fused MaSA equals the reference on odd shapes", "[masa]") {
  if (!runs_here()) return;
  WorstDeviation fp32[2] = {WorstDeviation("masa fp32"), WorstDeviation("masa_decomposed fp32")};
  WorstDeviation bf16[2] = {WorstDeviation("masa bf16"), WorstDeviation("masa_decomposed bf16")};
  const int64_t grids[][2] = {{1, 1}, {7, 5}, {1, 9}, {9, 1}, {14, 14}, {3, 33}, {25, 42}};
  for (const auto [height, width] : grids) {
    for (const int64_t head_dim : {2, 16, 20, 32, 70}) {
      for (const int64_t heads : {1, 3}) {
        const bool large = height * width > 200;
        if (large && (heads == 1) != (head_dim > 20)) continue;
        for (const auto mode : {DecayMode::release, DecayMode::paper}) {
          const MasaProblem p{.batch = large ? 1 : 2,
                              .height = height,
                              .width = width,
                              .heads = heads,
                              .head_dim = head_dim,
                              .k_scale = 1 / std::sqrt(head_dim),
                              .decay_mode = mode};
          for (const bool decomposed : {false, true}) check(p, decomposed, fp32[decomposed], bf16[decomposed]);
        }
      }
    }
  }
}
