#pragma once

#include <retention/kernels/layer_norm.h>
#include <retention/kernels/simd/rows.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Layer norm, or root mean square norm unless `centred`, over rows of `channels` values.
struct Normaliser {
  int64_t channels;
  float eps;
  bool centred;
  const float* weight;
  const float* bias;

  /// Rows [begin, end) of x [rows, channels] into those of y.
  template <class T>
  void apply(const float* x, int64_t begin, int64_t end, const RowWriter<T>& y) const {
    for_each_row_block(begin, end, channels, [&](int64_t from, int64_t to) { apply_block(x, from, to, y); });
  }

 private:
  template <class T>
  void apply_block(const float* x, int64_t begin, int64_t end, const RowWriter<T>& y) const {
    const int64_t stride = channels;
    const Floats scale = broadcast(1.0f / static_cast<float>(channels)), small = broadcast(eps);
    BlockValues means, factors;
    for_each_group(begin, end, [&](auto group, int index, int64_t row) {
      if (!centred) {
        means[index] = {zero()};
        return;
      }
      const float* const from = x + row * stride;
      const auto input = [=](int r, int64_t c, int64_t n) { return load_part(from + r * stride + c, n); };
      means[index] = {mul(scale, reduce<group()>(stride, Add(), Add(), input).lanes)};
    });
    for_each_group(begin, end, [&](auto group, int index, int64_t row) {
      const float* const from = x + row * stride;
      Floats mean[kRows];
      means[index].spread(mean);
      const RowValues squares = reduce<group()>(stride, AddSquare(), Add(), [&](int r, int64_t c, int64_t n) {
        return keep_part(sub(load_part(from + r * stride + c, n), mean[r]), n);
      });
      factors[index] = {div(broadcast(1.0f), sqrt(fmadd(squares.lanes, scale, small)))};
    });
    y.write(begin, end, stride,
            [&](int index, int64_t row) { return Scaled(*this, means[index], factors[index], x + row * stride); });
  }

  /// (x - mean) * factor * weight + bias of a group of rows.
  struct Scaled {
    Floats mean[kRows], factor[kRows];
    const float* x;
    const float* weight;
    const float* bias;
    int64_t stride;

    Scaled(const Normaliser& norm, const RowValues& means, const RowValues& factors, const float* from)
        : x(from), weight(norm.weight), bias(norm.bias), stride(norm.channels) {
      means.spread(mean);
      factors.spread(factor);
    }

    Floats operator()(int r, int64_t c, int64_t n) const {
      const Floats d = mul(sub(load_part(x + r * stride + c, n), mean[r]), factor[r]);
      return fmadd(d, load_part(weight + c, n), load_part(bias + c, n));
    }
  };
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
