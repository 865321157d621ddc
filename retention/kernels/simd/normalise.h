#pragma once

#include <retention/kernels/layer_norm.h>
#include <retention/kernels/simd/rows.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Weight and bias of a layer norm over rows of `channels` values.
struct Normaliser {
  int64_t channels;
  float eps;
  const float* weight;
  const float* bias;

  /// Writes row `row` of the output from x [channels].
  template <class T>
  void apply(const float* x, int64_t row, const RowWriter<T>& y) const {
    const float scale = 1.0f / static_cast<float>(channels);
    const float mean = scale * sum_over(channels, [&](int64_t c, int64_t n) { return load_part(x + c, n); });
    const Floats shift = broadcast(mean);
    const float variance = scale * sum_over(channels, [&](int64_t c, int64_t n) {
                             const Floats d = keep_part(sub(load_part(x + c, n), shift), n);
                             return mul(d, d);
                           });
    const Floats factor = broadcast(1.0f / std::sqrt(variance + eps));
    y.write(row, channels, [&](int64_t c, int64_t n) {
      return fmadd(mul(sub(load_part(x + c, n), shift), factor), load_part(weight + c, n), load_part(bias + c, n));
    });
  }
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
