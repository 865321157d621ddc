#pragma once

#include <cmath>

#include <retention/kernels/quantize.h>
#include <retention/kernels/simd/simd.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Rounded to nearest even and saturated.
#if defined(__AVX512F__)
inline __m128i to_int8(Floats x) { return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x)); }
inline void store(int8_t* to, Floats x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), to_int8(x)); }
inline void store_first(int8_t* to, Floats x, int64_t n) { _mm_mask_storeu_epi8(to, first_lanes(n), to_int8(x)); }
#else
inline __m128i to_int8(Floats x) {
  const __m256i word = _mm256_cvtps_epi32(x);
  const __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(word), _mm256_extracti128_si256(word, 1));
  return _mm_packs_epi16(half, half);
}
inline void store(int8_t* to, Floats x) { _mm_storel_epi64(reinterpret_cast<__m128i*>(to), to_int8(x)); }
inline void store_first(int8_t* to, Floats x, int64_t n) {
  alignas(16) int8_t values[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(values), to_int8(x));
  for (int64_t i = 0; i < n; ++i) to[i] = values[i];
}
#endif

// Vectors that reductions keep in flight, each with its own accumulator.
constexpr int64_t kWays = 4;

/// The sum over a row of fn(c, n), n lanes from channel c on; lanes beyond n must be 0.
template <class F>
inline float sum_over(int64_t channels, F&& fn) {
  Floats totals[kWays] = {zero(), zero(), zero(), zero()};
  int64_t c = 0;
  for (; c + kWays * kLanes <= channels; c += kWays * kLanes) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < kWays; ++i) totals[i] = add(totals[i], fn(c + i * kLanes, kLanes));
  }
  for (; c + kLanes <= channels; c += kLanes) totals[0] = add(totals[0], fn(c, kLanes));
  if (c < channels) totals[1] = add(totals[1], fn(c, channels - c));
  return sum(add(add(totals[0], totals[1]), add(totals[2], totals[3])));
}

/// The same for the largest; fn must not be negative.
template <class F>
inline float largest_over(int64_t channels, F&& fn) {
  Floats totals[kWays] = {zero(), zero(), zero(), zero()};
  int64_t c = 0;
  for (; c + kWays * kLanes <= channels; c += kWays * kLanes) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < kWays; ++i) totals[i] = max(totals[i], fn(c + i * kLanes, kLanes));
  }
  for (; c + kLanes <= channels; c += kLanes) totals[0] = max(totals[0], fn(c, kLanes));
  if (c < channels) totals[1] = max(totals[1], fn(c, channels - c));
  return largest(max(max(totals[0], totals[1]), max(totals[2], totals[3])));
}

template <class T>
inline Floats load_part(const T* from, int64_t n) {
  return n == kLanes ? load(from) : load_first(from, n);
}

inline Floats keep_part(Floats x, int64_t n) { return n == kLanes ? x : keep_first(x, n); }

/// y = fn(c, n), n lanes from channel c on.
template <class T, class F>
inline void store_row(int64_t channels, T* y, F&& fn) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) store(y + c, fn(c, kLanes));
  if (c < channels) store_first(y + c, fn(c, channels - c), channels - c);
}

/// Rows of float or bfloat16 values.
template <class T>
struct RowWriter {
  T* values;

  template <class F>
  void write(int64_t row, int64_t channels, F&& fn) const {
    store_row(channels, values + row * channels, fn);
  }
};

/// Rows of int8, each with its scale.
template <>
struct RowWriter<int8_t> {
  QuantizedRows rows;

  // fn is called twice for every vector: for the scale and for the values.
  template <class F>
  void write(int64_t row, int64_t channels, F&& fn) const {
    // Lanes beyond the row are those of zeros that were loaded: fn may map them to anything.
    const float most = largest_over(channels, [&](int64_t c, int64_t n) { return keep_part(abs(fn(c, n)), n); });
    const bool zeros = !(most > kSmallestQuantized);
    const Floats inverse = broadcast(zeros ? 0.0f : 127.0f / most);
    rows.scales[row] = zeros ? 0.0f : most / 127.0f;
    store_row(channels, rows.values + row * channels, [&](int64_t c, int64_t n) { return mul(fn(c, n), inverse); });
  }
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
