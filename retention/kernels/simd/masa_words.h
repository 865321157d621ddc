#pragma once

// What the products of the fused MaSA kernels multiply: words of 32 bits, a float each or, where the instruction set
// multiplies them, a pair of bfloat16. Words are kept in memory as floats and never calculated with as such.

#include <retention/kernels/masa_plan.h>
#include <retention/kernels/simd/simd.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

#if defined(__AVX512F__)
/// 2^x = 2^(k / 16) 2^rest with x rounded to sixteenths by an addition; the multipliers are the bottleneck of the
/// kernels. 0 far below the normal range and infinite above it; x must not be -infinity.
template <class Polynomial>
inline Floats exp2_by_table(Floats x, Polynomial&& polynomial) {
  alignas(64) static constexpr float kPowers[16] = {
      1.0f,        1.04427378f, 1.09050773f, 1.13878863f, 1.18920712f, 1.24185781f, 1.29683955f, 1.35425555f,
      1.41421356f, 1.47682615f, 1.54221083f, 1.61049033f, 1.68179283f, 1.75625216f, 1.83400809f, 1.91520656f};
  const Floats magic = broadcast(786432.0f);
  const Floats shifted = add(x, magic);
  const Floats whole = sub(shifted, magic);
  const Floats power = _mm512_permutexvar_ps(_mm512_castps_si512(shifted), _mm512_load_ps(kPowers));
  return scale_by_power(mul(power, polynomial(sub(x, whole))), whole);
}

/// 2^x with a relative error below 6e-7.
inline Floats exp2_finite(Floats x) {
  return exp2_by_table(x, [](Floats rest) {
    return fmadd(fmadd(rest, broadcast(0.240219463f), broadcast(0.693187831f)), rest, broadcast(1.0f));
  });
}

/// 2^x with a relative error below 1.3e-4, for values that are rounded to bfloat16.
inline Floats exp2_coarse(Floats x) {
  return exp2_by_table(x, [](Floats rest) { return fmadd(rest, broadcast(0.693120076f), broadcast(1.00011728f)); });
}
#else
/// 2^x with a relative error below 3e-7, 0 far below the normal range; x must not be -infinity.
inline Floats exp2_finite(Floats x) {
  const Floats bounded = min(max(x, broadcast(-150.0f)), broadcast(128.0f));
  const Floats whole = round(bounded);
  const Floats rest = sub(bounded, whole);
  Floats p = broadcast(1.32764719e-3f);
  p = fmadd(p, rest, broadcast(9.67554133e-3f));
  p = fmadd(p, rest, broadcast(5.55071327e-2f));
  p = fmadd(p, rest, broadcast(2.40221197e-1f));
  p = fmadd(p, rest, broadcast(6.93146967e-1f));
  p = fmadd(p, rest, broadcast(1.0f));
  return scale_by_power(p, whole);
}
#endif

/// Lane i is the sum of x[i].
#if defined(__AVX512F__)
inline Floats sum_each(const Floats (&x)[kLanes]) {
  Floats quads[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Floats* y = x + 4 * i;
    const Floats ab = add(_mm512_unpacklo_ps(y[0], y[1]), _mm512_unpackhi_ps(y[0], y[1]));
    const Floats cd = add(_mm512_unpacklo_ps(y[2], y[3]), _mm512_unpackhi_ps(y[2], y[3]));
    quads[i] = add(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  }
  const auto join = [](Floats a, Floats b) {
    return add(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  };
  return join(join(quads[0], quads[1]), join(quads[2], quads[3]));
}
inline bool all_below(Floats x, float bound) { return _mm512_cmp_ps_mask(x, broadcast(bound), _CMP_LT_OQ) == 0xffff; }
#else
inline Floats sum_each(const Floats (&x)[kLanes]) {
  const Floats low = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
  const Floats high = _mm256_hadd_ps(_mm256_hadd_ps(x[4], x[5]), _mm256_hadd_ps(x[6], x[7]));
  return add(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}
inline bool all_below(Floats x, float bound) {
  return _mm256_movemask_ps(_mm256_cmp_ps(x, broadcast(bound), _CMP_LT_OQ)) == 0xff;
}
#endif

struct FloatWords {
  static constexpr int64_t kPack = 1;

  static Floats dot(Floats sum, Floats a, Floats b) { return fmadd(a, b, sum); }
  static Floats exp2(Floats x) { return exp2_finite(x); }

  /// One vector of elements from channel c on of a row of words.
  static void store(float* words, int64_t c, Floats x) { RETENTIVE_KERNEL_ISA::store(words + c, x); }

  /// Stores `count` vectors of probabilities from key `key` on; returns `total` plus their sum, counting `valid` lanes
  /// of the last.
  template <int count>
  static Floats store_row(float* row, int64_t key, const Floats (&x)[count], int64_t valid, Floats total) {
    for (int i = 0; i < count; ++i) RETENTIVE_KERNEL_ISA::store(row + key + i * kLanes, x[i]);
    if (count == 2) total = add(total, x[0]);
    return add(total, keep_first(x[count - 1], valid));
  }
};

#if defined(__AVX512BF16__)
struct Bfloat16Words {
  static constexpr int64_t kPack = 2;

  static __m512bh pairs(Floats x) { return reinterpret_cast<__m512bh>(x); }
  static Floats dot(Floats sum, Floats a, Floats b) { return _mm512_dpbf16_ps(sum, pairs(a), pairs(b)); }
  static Floats exp2(Floats x) { return exp2_coarse(x); }

  static void store(float* words, int64_t c, Floats x) {
    RETENTIVE_KERNEL_ISA::store(reinterpret_cast<bfloat16*>(words) + c, x);
  }
  /// {even0, odd0, even1, ...} of floats that hold bfloat16 values.
  static Floats interleave(Floats even, Floats odd) {
    return _mm512_or_ps(odd, _mm512_castsi512_ps(_mm512_srli_epi32(_mm512_castps_si512(even), 16)));
  }

  template <int count>
  static Floats store_row(float* row, int64_t key, const Floats (&x)[count], int64_t valid, Floats total) {
    // Sums what was rounded: the weights of a row then add up to one.
    const __m512i ones = _mm512_set1_epi16(0x3f80);
    const auto keep = static_cast<__mmask32>((uint64_t{1} << ((count - 1) * kLanes + valid)) - 1);
    const __m512bh packed = _mm512_cvtne2ps_pbh(count == 2 ? x[count - 1] : zero(), x[0]);
    const Floats words = reinterpret_cast<Floats>(packed);
    RETENTIVE_KERNEL_ISA::store(row + key / 2, words);
    return dot(total, words, _mm512_castsi512_ps(_mm512_maskz_mov_epi16(keep, ones)));
  }
};
using WordsOfBfloat16 = Bfloat16Words;
#else
using WordsOfBfloat16 = FloatWords;
#endif

/// Lengths of one head's rows. head_dim is a constant where it is not 0.
template <class Words, int64_t head_dim>
struct HeadSizes {
  int64_t any;

  int64_t channels() const { return head_dim != 0 ? head_dim : any; }
  /// Channels with what pads them to whole vectors.
  int64_t width() const { return masa_round_up(channels(), kLanes); }
  /// Words of a row of queries, and those of them that are multiplied.
  int64_t row() const { return width() / Words::kPack; }
  int64_t depth() const { return masa_round_up(channels() / Words::kPack, 2); }
};

/// sum[r][i] += row r of a [rows][stride_a] times vector i of the columns of b [depth][stride_b], in words.
template <class Words, int rows, int vectors>
[[gnu::always_inline]] inline void multiply(Floats (&sum)[rows][vectors], const float* a, int64_t stride_a,
                                            const float* b, int64_t stride_b, int64_t depth) {
#pragma GCC unroll 2
  for (int64_t k = 0; k < depth; ++k) {
    Floats column[vectors];
#pragma GCC unroll 2
    for (int i = 0; i < vectors; ++i) column[i] = load(b + k * stride_b + i * kLanes);
#pragma GCC unroll 14
    for (int r = 0; r < rows; ++r) {
      const Floats x = broadcast(a[r * stride_a + k]);
#pragma GCC unroll 2
      for (int i = 0; i < vectors; ++i) sum[r][i] = Words::dot(sum[r][i], x, column[i]);
    }
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
