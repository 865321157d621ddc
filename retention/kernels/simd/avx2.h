#pragma once

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

using Floats = __m256;
constexpr int64_t kLanes = 8;

inline __m256i first_lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Floats zero() { return _mm256_setzero_ps(); }
inline Floats broadcast(float value) { return _mm256_set1_ps(value); }

inline Floats load(const float* from) { return _mm256_loadu_ps(from); }
inline Floats load_first(const float* from, int64_t n) { return _mm256_maskload_ps(from, first_lanes(n)); }
inline void store(float* to, Floats x) { _mm256_storeu_ps(to, x); }
inline void store_first(float* to, Floats x, int64_t n) { _mm256_maskstore_ps(to, first_lanes(n), x); }

inline Floats widen(__m128i bits) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)); }
inline __m128i narrow(Floats x) {
  const __m256i word = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(word, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(word, odd), _mm256_set1_epi32(0x7fff));
  const __m256i quiet = _mm256_or_si256(word, _mm256_set1_epi32(0x400000));
  const __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  const __m256i bits = _mm256_srli_epi32(
      _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet), nan)), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
}
inline Floats load(const bfloat16* from) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))); }
inline Floats load_first(const bfloat16* from, int64_t n) {
  alignas(16) uint16_t bits[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) bits[i] = from[i].bits;
  return widen(_mm_load_si128(reinterpret_cast<const __m128i*>(bits)));
}
inline void store(bfloat16* to, Floats x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrow(x)); }
inline void store_first(bfloat16* to, Floats x, int64_t n) {
  alignas(16) uint16_t bits[kLanes];
  _mm_store_si128(reinterpret_cast<__m128i*>(bits), narrow(x));
  for (int64_t i = 0; i < n; ++i) to[i].bits = bits[i];
}

/// x in the first n lanes, 0 in the others.
inline Floats keep_first(Floats x, int64_t n) { return _mm256_and_ps(x, _mm256_castsi256_ps(first_lanes(n))); }

inline Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats sub(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
inline Floats mul(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats div(Floats a, Floats b) { return _mm256_div_ps(a, b); }
inline Floats max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Floats min(Floats a, Floats b) { return _mm256_min_ps(a, b); }
inline Floats abs(Floats a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
/// a * b + c.
inline Floats fmadd(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
/// c - a * b.
inline Floats fnmadd(Floats a, Floats b, Floats c) { return _mm256_fnmadd_ps(a, b, c); }
/// magnitude with the sign of `sign`.
inline Floats copysign(Floats magnitude, Floats sign) {
  return _mm256_or_ps(magnitude, _mm256_and_ps(sign, _mm256_set1_ps(-0.0f)));
}
inline Floats round(Floats a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// a * 2^n for integral n; 0 below the normal range.
inline Floats scale_by_power(Floats a, Floats n) {
  const __m256 low = _mm256_set1_ps(-126.0f);
  const __m256i exponent = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(n, low), _mm256_set1_ps(127.0f)));
  const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(exponent, _mm256_set1_epi32(127)), 23);
  return _mm256_and_ps(_mm256_mul_ps(a, _mm256_castsi256_ps(power)), _mm256_cmp_ps(n, low, _CMP_GE_OQ));
}

inline float sum(Floats a) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}
inline float largest(Floats a) {
  const __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 quarter = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(quarter, _mm_movehdup_ps(quarter)));
}

/// {a0, a0, a1, a1, ...} of the kLanes / 2 floats at `from`; only the first n lanes are read, the others are 0.
inline Floats load_twice(const float* from, int64_t n = kLanes) {
  const __m128i wanted = _mm_cmpgt_epi32(_mm_set1_epi32(static_cast<int>(n / 2)), _mm_setr_epi32(0, 1, 2, 3));
  const __m128 half = _mm_maskload_ps(from, wanted);
  return _mm256_set_m128(_mm_unpackhi_ps(half, half), _mm_unpacklo_ps(half, half));
}
/// Pairs (a, b) of x turned to (a cos - b sin, b cos + a sin).
inline Floats rotate_pairs(Floats x, Floats sin, Floats cos) {
  return _mm256_fmaddsub_ps(x, cos, _mm256_mul_ps(_mm256_permute_ps(x, 0xb1), sin));
}
/// rotate_pairs by the opposite angle.
inline Floats rotate_pairs_back(Floats x, Floats sin, Floats cos) {
  return _mm256_fmsubadd_ps(x, cos, _mm256_mul_ps(_mm256_permute_ps(x, 0xb1), sin));
}

/// Swaps rows and columns of the square block.
inline void transpose(Floats (&x)[kLanes]) {
  Floats y[kLanes];
  for (int i = 0; i < 8; i += 2) {
    y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
    x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
    x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
    x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) y[i] = x[i];
  for (int i = 0; i < 4; ++i) {
    x[i] = _mm256_permute2f128_ps(y[i], x[i + 4], 0x20);
    x[i + 4] = _mm256_permute2f128_ps(y[i], x[i + 4], 0x31);
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
