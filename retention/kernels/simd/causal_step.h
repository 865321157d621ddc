#pragma once

#include <retention/kernels/simd/strips.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

// Value columns that a step works on at a time: their sums stay in L1.
constexpr int64_t kStepColumns = 512;
// Rows of the state that share each load of a sum and a value.
constexpr int64_t kStepRows = 4;

/// Some value columns of one head, at most kStepColumns, and their state, whose rows are `stride` floats apart.
struct StateColumns {
  float* state;
  int64_t stride;
  int64_t key_dim, columns;
  float gamma, scale;

  /// One token: the state's update and its product with q in one pass. v and out are at the first of the columns.
  template <class T, class Out>
  void step(const T* q, const T* k, const T* v, Out* out) const {
    alignas(64) float sums[kStepColumns], values[kStepColumns];
    for_each_vector([&](int64_t c, int64_t n) {
      store(values + c, FloatStrips::load_words(v + c, n));
      store(sums + c, zero());
    });
    int64_t d = 0;
    for (; d + kStepRows <= key_dim; d += kStepRows) step_rows<kStepRows>(q + d, k + d, d, sums, values);
    for (; d < key_dim; ++d) step_rows<1>(q + d, k + d, d, sums, values);
    for_each_vector([&](int64_t c, int64_t) { store_columns(out, c, columns, load(sums + c)); });
  }

 private:
  template <class F>
  void for_each_vector(F&& fn) const {
    for (int64_t c = 0; c < columns; c += kLanes) fn(c, columns - c);
  }

  template <int rows, class T>
  void step_rows(const T* q, const T* k, int64_t d, float* sums, const float* values) const {
    Floats query[rows], key[rows];
    for (int r = 0; r < rows; ++r) {
      query[r] = broadcast(static_cast<float>(q[r]));
      key[r] = broadcast(scale * static_cast<float>(k[r]));
    }
    const Floats decay = broadcast(gamma);
    float* const from = state + d * stride;
    int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) {
      Floats sum = load(sums + c);
      const Floats value = load(values + c);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) {
        // Too few misses are under way otherwise: a state from memory comes at half the speed.
        _mm_prefetch(reinterpret_cast<const char*>(from + (2 * kStepRows + r) * stride + c), _MM_HINT_T0);
        const Floats x = fmadd(decay, load(from + r * stride + c), mul(key[r], value));
        store(from + r * stride + c, x);
        sum = fmadd(query[r], x, sum);
      }
      store(sums + c, sum);
    }
    if (c == columns) return;
    const int64_t n = columns - c;
    Floats sum = load(sums + c);
    const Floats value = load(values + c);
    for (int r = 0; r < rows; ++r) {
      const Floats x = fmadd(decay, load_first(from + r * stride + c, n), mul(key[r], value));
      store_first(from + r * stride + c, x, n);
      sum = fmadd(query[r], x, sum);
    }
    store(sums + c, sum);
  }
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
