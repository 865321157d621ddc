#pragma once

#include <type_traits>

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

/// Rows that are worked on together: their reductions share shuffles and hide each other's latency.
constexpr int kRows = 4;

#if defined(__AVX512F__)
inline Floats interleave_low(Floats a, Floats b) { return _mm512_unpacklo_ps(a, b); }
inline Floats interleave_high(Floats a, Floats b) { return _mm512_unpackhi_ps(a, b); }
inline Floats low_pairs(Floats a, Floats b) { return _mm512_shuffle_ps(a, b, 0x44); }
inline Floats high_pairs(Floats a, Floats b) { return _mm512_shuffle_ps(a, b, 0xee); }
template <class F>
inline Floats across_quarters(Floats x, F&& combine) {
  x = combine(x, _mm512_shuffle_f32x4(x, x, 0x4e));
  return combine(x, _mm512_shuffle_f32x4(x, x, 0xb1));
}
inline Floats sqrt(Floats x) { return _mm512_sqrt_ps(x); }
/// x where a > b, 0 elsewhere.
inline Floats keep_greater(Floats x, Floats a, Floats b) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), x);
}
/// 0 where a <= b, x elsewhere: also where a is NaN.
inline Floats drop_at_most(Floats x, Floats a, Floats b) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ), x);
}
/// The larger of two values that are not negative; NaN counts as larger than any.
inline Floats max_or_nan(Floats a, Floats b) {
  return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
template <int kRow>
inline Floats pick(Floats x) {
  return _mm512_permute_ps(x, kRow * 0x55);
}
#else
inline Floats interleave_low(Floats a, Floats b) { return _mm256_unpacklo_ps(a, b); }
inline Floats interleave_high(Floats a, Floats b) { return _mm256_unpackhi_ps(a, b); }
inline Floats low_pairs(Floats a, Floats b) { return _mm256_shuffle_ps(a, b, 0x44); }
inline Floats high_pairs(Floats a, Floats b) { return _mm256_shuffle_ps(a, b, 0xee); }
template <class F>
inline Floats across_quarters(Floats x, F&& combine) {
  return combine(x, _mm256_permute2f128_ps(x, x, 1));
}
inline Floats sqrt(Floats x) { return _mm256_sqrt_ps(x); }
/// x where a > b, 0 elsewhere.
inline Floats keep_greater(Floats x, Floats a, Floats b) { return _mm256_and_ps(x, _mm256_cmp_ps(a, b, _CMP_GT_OQ)); }
/// 0 where a <= b, x elsewhere: also where a is NaN.
inline Floats drop_at_most(Floats x, Floats a, Floats b) { return _mm256_and_ps(x, _mm256_cmp_ps(a, b, _CMP_NLE_UQ)); }
/// The larger of two values that are not negative; NaN counts as larger than any.
inline Floats max_or_nan(Floats a, Floats b) {
  return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
template <int kRow>
inline Floats pick(Floats x) {
  return _mm256_permute_ps(x, kRow * 0x55);
}
#endif

/// One value a row, row r in every fourth lane from r on.
struct RowValues {
  Floats lanes;

  /// The value of row r in all lanes.
  void spread(Floats (&rows)[kRows]) const {
    rows[0] = pick<0>(lanes);
    rows[1] = pick<1>(lanes);
    rows[2] = pick<2>(lanes);
    rows[3] = pick<3>(lanes);
  }
};

/// Reduces each vector to one value; the order of each row's operations does not depend on the other rows.
template <class F>
inline RowValues reduce_rows(const Floats (&x)[kRows], F&& combine) {
  const Floats first = combine(interleave_low(x[0], x[1]), interleave_high(x[0], x[1]));
  const Floats second = combine(interleave_low(x[2], x[3]), interleave_high(x[2], x[3]));
  return {across_quarters(combine(low_pairs(first, second), high_pairs(first, second)), combine)};
}

struct Add {
  Floats operator()(Floats a, Floats b) const { return add(a, b); }
};
struct AddSquare {
  Floats operator()(Floats a, Floats b) const { return fmadd(b, b, a); }
};
struct MaxOrNan {
  Floats operator()(Floats a, Floats b) const { return max_or_nan(a, b); }
};

/// Accumulates fn(row, c, n), n lanes from channel c on, over R rows, and joins the lanes; lanes beyond n must be 0,
/// and no value of a maximum negative.
template <int R, class Accumulate, class Join, class F>
inline RowValues reduce(int64_t channels, Accumulate accumulate, Join join, F&& fn) {
  Floats totals[kRows] = {zero(), zero(), zero(), zero()};
  const auto step = [&](int64_t c, int64_t n) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) totals[r] = accumulate(totals[r], fn(r, c, n));
  };
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) step(c, kLanes);
  if (c < channels) step(c, channels - c);
  return reduce_rows(totals, join);
}

template <class T>
inline Floats load_part(const T* from, int64_t n) {
  return n == kLanes ? load(from) : load_first(from, n);
}
template <class T>
inline void store_part(T* to, Floats x, int64_t n) {
  if (n == kLanes) {
    store(to, x);
  } else {
    store_first(to, x, n);
  }
}
inline Floats keep_part(Floats x, int64_t n) { return n == kLanes ? x : keep_first(x, n); }

/// Calls fn(c, n) for the vectors of `count` channels, n lanes from channel c on.
template <class F>
inline void for_each_vector(int64_t count, F&& fn) {
  int64_t c = 0;
  for (; c + kLanes <= count; c += kLanes) fn(c, kLanes);
  if (c < count) fn(c, count - c);
}

/// y[r, c] = fn(r, c, n) for R rows of `channels` values.
template <int R, class T, class F>
inline void store_rows(int64_t channels, T* y, F&& fn) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    Floats values[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) values[r] = fn(r, c, kLanes);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) store(y + r * channels + c, values[r]);
  }
  for (int r = 0; c < channels && r < R; ++r) {
    store_first(y + r * channels + c, fn(r, c, channels - c), channels - c);
  }
}

/// Calls fn(integral constant R, index, row) for the groups of R rows of [begin, end): of kRows as long as they last,
/// then single ones.
template <class F>
inline void for_each_group(int64_t begin, int64_t end, F&& fn) {
  int index = 0;
  for (; begin + kRows <= end; begin += kRows) fn(std::integral_constant<int, kRows>(), index++, begin);
  for (; begin < end; ++begin) fn(std::integral_constant<int, 1>(), index++, begin);
}

// Each step of a computation runs over a block of rows before the next one does: the chains of a step are short, so
// that many groups are under way at once. The block stays in L1 meanwhile.
constexpr int64_t kBlockGroups = 8;
constexpr int64_t kBlockFloats = 4096;

/// One value for each row of a block.
using BlockValues = RowValues[kBlockGroups + kRows - 1];

/// Calls fn(begin, end) for blocks of rows.
template <class F>
inline void for_each_row_block(int64_t begin, int64_t end, int64_t channels, F&& fn) {
  const int64_t groups = clamped(kBlockFloats / (kRows * channels), 1, kBlockGroups);
  for (int64_t step = groups * kRows; begin < end; begin += step) fn(begin, smaller(begin + step, end));
}

/// Rows of float or bfloat16 values.
template <class T>
struct RowWriter {
  T* values;

  /// Rows [begin, end) from make(index, row)(r, c, n): row `row` + r of group `index`, n lanes from channel c on.
  template <class F>
  void write(int64_t begin, int64_t end, int64_t channels, F&& make) const {
    T* const to = values;
    for_each_group(begin, end, [&](auto group, int index, int64_t row) {
      store_rows<group()>(channels, to + row * channels, make(index, row));
    });
  }
};

/// Rows of int8, each with its scale. A value that is not finite makes the scale so, which the products pass on.
template <>
struct RowWriter<int8_t> {
  QuantizedRows rows;

  // What is made is called twice for every vector: for the scale and for the values.
  template <class F>
  void write(int64_t begin, int64_t end, int64_t channels, F&& make) const {
    const QuantizedRows to = rows;
    BlockValues inverse;
    for_each_group(begin, end, [&](auto group, int index, int64_t row) {
      const auto fn = make(index, row);
      // fn may map lanes beyond the row to anything.
      const auto magnitude = [&](int r, int64_t c, int64_t n) { return keep_part(abs(fn(r, c, n)), n); };
      const Floats most = reduce<group()>(channels, MaxOrNan(), MaxOrNan(), magnitude).lanes;
      const Floats smallest = broadcast(kSmallestQuantized);
      inverse[index] = {drop_at_most(div(broadcast(127.0f), most), most, smallest)};
      store_first(to.scales + row, drop_at_most(mul(most, broadcast(1.0f / 127.0f)), most, smallest), group());
    });
    for_each_group(begin, end, [&](auto group, int index, int64_t row) {
      const auto fn = make(index, row);
      Floats factor[kRows];
      inverse[index].spread(factor);
      store_rows<group()>(channels, to.values + row * channels,
                          [&](int r, int64_t c, int64_t n) { return mul(fn(r, c, n), factor[r]); });
    });
  }
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
