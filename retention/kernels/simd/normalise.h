#pragma once

#include <retention/kernels/layer_norm.h>
#include <retention/kernels/simd/rows.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Layer norm over rows of `channels` values.
struct Normaliser {
  int64_t channels;
  float eps;
  const float* weight;
  const float* bias;

  /// Rows [begin, end) of x [rows, channels] into those of y.
  template <class T>
  void apply(const float* x, int64_t begin, int64_t end, const RowWriter<T>& y) const {
    for_each_group(begin, end, [&](auto group, int64_t row) { apply_group<group()>(x + row * channels, row, y); });
  }

 private:
  template <int R, class T>
  void apply_group(const float* x, int64_t row, const RowWriter<T>& y) const {
    const int64_t stride = channels;
    const auto input = [&](int r, int64_t c, int64_t n) { return load_part(x + r * stride + c, n); };
    const Floats scale = broadcast(1.0f / static_cast<float>(channels));
    Floats mean[kRows], factor[kRows];
    RowValues{mul(scale, reduce<R>(channels, Add(), input).lanes)}.spread(mean);
    const RowValues squares = reduce<R>(channels, Add(), [&](int r, int64_t c, int64_t n) {
      const Floats d = keep_part(sub(input(r, c, n), mean[r]), n);
      return mul(d, d);
    });
    const Floats deviation = sqrt(fmadd(squares.lanes, scale, broadcast(eps)));
    RowValues{div(broadcast(1.0f), deviation)}.spread(factor);
    y.template write<R>(row, channels, [&](int r, int64_t c, int64_t n) {
      const Floats d = mul(sub(input(r, c, n), mean[r]), factor[r]);
      return fmadd(d, load_part(weight + c, n), load_part(bias + c, n));
    });
  }
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
