#pragma once

#include <retention/kernels/linear_output.h>
#include <retention/kernels/simd/gelu.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// x / (1 + e^-x).
inline Floats silu(Floats x) { return div(x, add(broadcast(1.0f), exp(sub(zero(), x)))); }

/// Finishes sums of a linear map and writes them.
struct LinearWriter {
  LinearOutput y;
  int64_t out;

  /// Outputs [begin, end) of `rows` rows from `first` on; lanes of sum(r, c, n) are the sums of n outputs from c on.
  template <class Sum>
  void write(int64_t first, int64_t rows, int64_t begin, int64_t end, Sum&& sum) const {
    switch (y.activation) {
      case Activation::gelu:
        return write_all(first, rows, begin, end, sum, Gelu());
      case Activation::silu:
        return write_all(first, rows, begin, end, sum, [](Floats x) { return silu(x); });
      case Activation::relu:
        return write_all(first, rows, begin, end, sum, [](Floats x) { return max(x, zero()); });
      case Activation::none:
        return write_all(first, rows, begin, end, sum, [](Floats x) { return x; });
    }
  }

 private:
  template <class Sum, class Function>
  void write_all(int64_t first, int64_t rows, int64_t begin, int64_t end, Sum&& sum, const Function& function) const {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t c = begin; c < end; c += kLanes) {
        const int64_t n = end - c < kLanes ? end - c : kLanes;
        Floats value = sum(row, c, n);
        if (y.bias != nullptr) value = add(value, load_first(y.bias + c, n));
        put((first + row) * out + c, function(value), n);
      }
    }
  }

  void put(int64_t at, Floats value, int64_t n) const {
    if (y.halves != nullptr) {
      if (n == kLanes) return store(y.halves + at, value);
      return store_first(y.halves + at, value, n);
    }
    float* const to = y.floats + at;
    if (y.accumulate) value = add(load_first(to, n), value);
    if (n == kLanes) return store(to, value);
    store_first(to, value, n);
  }
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
