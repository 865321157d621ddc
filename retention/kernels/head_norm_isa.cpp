#include <cmath>

#include <retention/base/parallel_for.h>
#include <retention/kernels/head_norm.h>
#include <retention/kernels/head_norm_plan.h>
#include <retention/kernels/simd/rows.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

// Sum of fn(c, n) over a row; lanes beyond n must be 0. Four sums hide the latency of the additions.
template <class F>
inline float sum_row(int64_t dim, F&& fn) {
  Floats sums[4] = {zero(), zero(), zero(), zero()};
  int64_t c = 0;
  for (; c + 4 * kLanes <= dim; c += 4 * kLanes) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sums[i] = add(sums[i], fn(c + i * kLanes, kLanes));
  }
  for (; c + kLanes <= dim; c += kLanes) sums[0] = add(sums[0], fn(c, kLanes));
  if (c < dim) sums[1] = add(sums[1], fn(c, dim - c));
  return sum(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

inline Floats sigmoid(Floats x) {
  const Floats one = broadcast(1);
  return div(one, add(one, exp(sub(zero(), x))));
}

inline Floats row_factor(const HeadNormProblem& p, const float* x, int64_t token, int64_t head) {
  const float squares = sum_row(p.dim, [&](int64_t c, int64_t n) {
    const Floats value = load_part(x + c, n);
    return mul(value, value);
  });
  const float eps = p.row_eps != nullptr ? p.row_eps[token * p.heads + head] : p.eps;
  return broadcast(1.0f / std::sqrt(squares / static_cast<float>(p.dim) + eps));
}

inline Floats weighted(const HeadNormProblem& p, Floats x, int64_t c, int64_t n) {
  return p.weight == nullptr ? x : mul(x, load_part(p.weight + c, n));
}

template <class G, class Y>
void norm_tokens(const HeadNormProblem& p, const float* x, const G* g, Y* y, int threads) {
  parallel_for(p.tokens, threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t h = 0; h < p.heads; ++h) {
        const float* const from = x + t * p.x_stride + h * p.dim;
        const Floats factor = row_factor(p, from, t, h);
        for_each_vector(p.dim, [&](int64_t c, int64_t n) {
          Floats value = weighted(p, mul(load_part(from + c, n), factor), c, n);
          if (g != nullptr) {
            const Floats gate = load_part(g + t * p.g_stride + h * p.dim + c, n);
            value = mul(value, mul(gate, sigmoid(gate)));
          }
          store_part(y + t * p.y_stride + h * p.dim + c, value, n);
        });
      }
    }
  });
}

// One head of one token, whose share of dweight is added to `shares` where that is given.
void row_backward(const HeadNormBackwardCall& call, int64_t t, int64_t h, float* shares) {
  const HeadNormProblem& p = call.problem;
  const int64_t at = t * p.x_stride + h * p.dim, gate_at = t * p.g_stride + h * p.dim;
  const float *const x = call.x + at, *const dy = call.dy + t * p.y_stride + h * p.dim;
  float* const dx = call.dx + at;
  const Floats factor = row_factor(p, x, t, h);
  const float mean = sum_row(p.dim, [&](int64_t c, int64_t n) {
    const Floats normal = mul(load_part(x + c, n), factor), upstream = load_part(dy + c, n);
    Floats dnormal = weighted(p, upstream, c, n), gated = upstream;
    if (call.g != nullptr) {
      const Floats gate = load_part(call.g + gate_at + c, n), sigma = sigmoid(gate), silu = mul(gate, sigma);
      const Floats slope = fmadd(silu, sub(broadcast(1), sigma), sigma);
      store_part(call.dg + gate_at + c, mul(mul(dnormal, normal), slope), n);
      dnormal = mul(dnormal, silu);
      gated = mul(upstream, silu);
    }
    if (shares != nullptr) store(shares + c, fmadd(gated, normal, load(shares + c)));
    store_part(dx + c, dnormal, n);
    return mul(dnormal, normal);
  });
  const Floats pull = mul(broadcast(mean / static_cast<float>(p.dim)), factor);
  for_each_vector(p.dim, [&](int64_t c, int64_t n) {
    const Floats dnormal = load_part(dx + c, n);
    store_part(dx + c, mul(factor, fnmadd(load_part(x + c, n), pull, dnormal)), n);
  });
}

}  // namespace

void head_norm(const HeadNormProblem& p, const float* x, const float* g, float* y, int threads) {
  norm_tokens(p, x, g, y, threads);
}
void head_norm(const HeadNormProblem& p, const float* x, const float* g, bfloat16* y, int threads) {
  norm_tokens(p, x, g, y, threads);
}
void head_norm(const HeadNormProblem& p, const float* x, const bfloat16* g, float* y, int threads) {
  norm_tokens(p, x, g, y, threads);
}
void head_norm(const HeadNormProblem& p, const float* x, const bfloat16* g, bfloat16* y, int threads) {
  norm_tokens(p, x, g, y, threads);
}

void head_norm_backward(const HeadNormBackwardCall& call) {
  const HeadNormProblem& p = call.problem;
  const int64_t width = head_norm_part_floats(p.dim);
  const bool weighs = p.weight != nullptr;
  parallel_for(kHeadNormParts, call.threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t part = begin; part < end; ++part) {
      float* const shares = weighs ? call.workspace + part * width : nullptr;
      for (int64_t c = 0; weighs && c < width; c += kLanes) store(shares + c, zero());
      const int64_t last = p.tokens * (part + 1) / kHeadNormParts;
      for (int64_t t = p.tokens * part / kHeadNormParts; t < last; ++t) {
        for (int64_t h = 0; h < p.heads; ++h) row_backward(call, t, h, shares);
      }
    }
  });
  for_each_vector(weighs ? p.dim : 0, [&](int64_t c, int64_t n) {
    Floats total = zero();
    for (int64_t part = 0; part < kHeadNormParts; ++part) total = add(total, load(call.workspace + part * width + c));
    store_part(call.dweight + c, total, n);
  });
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
