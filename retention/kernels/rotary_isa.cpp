#include <retention/base/parallel_for.h>
#include <retention/kernels/rotary.h>
#include <retention/kernels/simd/rows.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

// All heads of one token with each vector of phases, which is read once.
template <class T>
void rotate_interleaved(const RotaryProblem& p, const float* sin, const float* cos, const T* x, T* y) {
  const Floats scale = broadcast(p.scale);
  for_each_vector(p.dim, [&](int64_t c, int64_t n) {
    const Floats s = mul(load_twice(sin + c / 2, n), scale), o = mul(load_twice(cos + c / 2, n), scale);
    for (int64_t h = 0; h < p.heads; ++h) {
      const Floats values = load_part(x + h * p.dim + c, n);
      store_part(y + h * p.dim + c, p.back ? rotate_pairs_back(values, s, o) : rotate_pairs(values, s, o), n);
    }
  });
}

template <class T>
void rotate_halves(const RotaryProblem& p, const float* sin, const float* cos, const T* x, T* y) {
  const int64_t half = p.dim / 2;
  const Floats scale = broadcast(p.scale), turn = broadcast(p.back ? -p.scale : p.scale);
  for_each_vector(half, [&](int64_t c, int64_t n) {
    const Floats s = mul(load_part(sin + c, n), turn), o = mul(load_part(cos + c, n), scale);
    for (int64_t h = 0; h < p.heads; ++h) {
      const int64_t first = h * p.dim + c, second = first + half;
      const Floats a = load_part(x + first, n), b = load_part(x + second, n);
      store_part(y + first, fnmadd(b, s, mul(a, o)), n);
      store_part(y + second, fmadd(a, s, mul(b, o)), n);
    }
  });
}

template <class T>
void rotate_tokens(const RotaryProblem& p, const T* x, T* y, int threads) {
  parallel_for(p.tokens, threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const float *const sin = p.sin + t * (p.dim / 2), *const cos = p.cos + t * (p.dim / 2);
      if (p.style == RotaryStyle::interleaved) {
        rotate_interleaved(p, sin, cos, x + t * p.x_stride, y + t * p.y_stride);
      } else {
        rotate_halves(p, sin, cos, x + t * p.x_stride, y + t * p.y_stride);
      }
    }
  });
}

}  // namespace

void rotary_f32(const RotaryProblem& p, const float* x, float* y, int threads) { rotate_tokens(p, x, y, threads); }

void rotary_bf16(const RotaryProblem& p, const bfloat16* x, bfloat16* y, int threads) {
  rotate_tokens(p, x, y, threads);
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
