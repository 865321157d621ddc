#include <cmath>

#include <retention/base/parallel_for.h>
#include <retention/kernels/layer_norm.h>
#include <retention/kernels/simd/simd.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

// fn(c, n) for every vector of `channels`, n lanes valid.
template <class F>
inline void for_each_vector(int64_t channels, F&& fn) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) fn(c, kLanes);
  if (c < channels) fn(c, channels - c);
}

template <class T>
void normalise_row(const LayerNormProblem& p, const float* x, const float* weight, const float* bias, T* y) {
  const float scale = 1.0f / static_cast<float>(p.channels);
  Floats total = zero();
  for_each_vector(p.channels,
                  [&](int64_t c, int64_t n) { total = add(total, n == kLanes ? load(x + c) : load_first(x + c, n)); });
  const Floats mean = broadcast(sum(total) * scale);
  Floats squares = zero();
  for_each_vector(p.channels, [&](int64_t c, int64_t n) {
    // Lanes beyond the row must add nothing.
    const Floats d = n == kLanes ? sub(load(x + c), mean) : keep_first(sub(load_first(x + c, n), mean), n);
    squares = fmadd(d, d, squares);
  });
  const Floats factor = broadcast(1.0f / std::sqrt(sum(squares) * scale + p.eps));
  for_each_vector(p.channels, [&](int64_t c, int64_t n) {
    if (n == kLanes) {
      store(y + c, fmadd(mul(sub(load(x + c), mean), factor), load(weight + c), load(bias + c)));
      return;
    }
    const Floats d = mul(sub(load_first(x + c, n), mean), factor);
    store_first(y + c, fmadd(d, load_first(weight + c, n), load_first(bias + c, n)), n);
  });
}

template <class T>
void normalise_rows(const LayerNormProblem& p, const float* x, const float* weight, const float* bias, T* y,
                    int threads) {
  parallel_for(p.rows, threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      normalise_row(p, x + row * p.channels, weight, bias, y + row * p.channels);
    }
  });
}

}  // namespace

void layer_norm_f32(const LayerNormProblem& p, const float* x, const float* weight, const float* bias, float* y,
                    int threads) {
  normalise_rows(p, x, weight, bias, y, threads);
}

void layer_norm_bf16(const LayerNormProblem& p, const float* x, const float* weight, const float* bias, bfloat16* y,
                     int threads) {
  normalise_rows(p, x, weight, bias, y, threads);
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
