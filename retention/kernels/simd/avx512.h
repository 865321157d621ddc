#pragma once

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

using Floats = __m512;
constexpr int64_t kLanes = 16;

inline __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

inline Floats zero() { return _mm512_setzero_ps(); }
inline Floats broadcast(float value) { return _mm512_set1_ps(value); }

inline Floats load(const float* from) { return _mm512_loadu_ps(from); }
inline Floats load_first(const float* from, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), from); }
inline void store(float* to, Floats x) { _mm512_storeu_ps(to, x); }
inline void store_first(float* to, Floats x, int64_t n) { _mm512_mask_storeu_ps(to, first_lanes(n), x); }

inline Floats widen(__m256i bits) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)); }
inline __m256i narrow(Floats x) {
#if defined(__AVX512BF16__)
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
#else
  const __m512i word = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(word, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(word, odd), _mm512_set1_epi32(0x7fff));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const __m512i quiet = _mm512_or_si512(word, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16));
#endif
}
inline Floats load(const bfloat16* from) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))); }
inline Floats load_first(const bfloat16* from, int64_t n) {
  return widen(_mm256_maskz_loadu_epi16(first_lanes(n), from));
}
inline void store(bfloat16* to, Floats x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), narrow(x)); }
inline void store_first(bfloat16* to, Floats x, int64_t n) { _mm256_mask_storeu_epi16(to, first_lanes(n), narrow(x)); }

/// x in the first n lanes, 0 in the others.
inline Floats keep_first(Floats x, int64_t n) { return _mm512_maskz_mov_ps(first_lanes(n), x); }

inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats div(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats abs(Floats a) { return _mm512_abs_ps(a); }
/// a * b + c.
inline Floats fmadd(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
/// c - a * b.
inline Floats fnmadd(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }
/// magnitude with the sign of `sign`.
inline Floats copysign(Floats magnitude, Floats sign) {
  return _mm512_or_ps(magnitude, _mm512_and_ps(sign, _mm512_set1_ps(-0.0f)));
}
inline Floats round(Floats a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// a * 2^n for integral n; 0 below the normal range.
inline Floats scale_by_power(Floats a, Floats n) { return _mm512_scalef_ps(a, n); }

inline float sum(Floats a) { return _mm512_reduce_add_ps(a); }
inline float largest(Floats a) { return _mm512_reduce_max_ps(a); }

/// {a0, a0, a1, a1, ...} of the kLanes / 2 floats at `from`; only the first n lanes are read, the others are 0.
inline Floats load_twice(const float* from, int64_t n = kLanes) {
  const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  const __m256 half = _mm256_maskz_loadu_ps(static_cast<__mmask8>((1u << (n / 2)) - 1u), from);
  return _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(half));
}
/// Pairs (a, b) of x turned to (a cos - b sin, b cos + a sin).
inline Floats rotate_pairs(Floats x, Floats sin, Floats cos) {
  return _mm512_fmaddsub_ps(x, cos, _mm512_mul_ps(_mm512_permute_ps(x, 0xb1), sin));
}
/// rotate_pairs by the opposite angle.
inline Floats rotate_pairs_back(Floats x, Floats sin, Floats cos) {
  return _mm512_fmsubadd_ps(x, cos, _mm512_mul_ps(_mm512_permute_ps(x, 0xb1), sin));
}

/// Swaps rows and columns of the square block.
inline void transpose(Floats (&x)[kLanes]) {
  Floats y[kLanes];
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_shuffle_ps(y[i], y[i + 2], 0x44);
    x[i + 1] = _mm512_shuffle_ps(y[i], y[i + 2], 0xee);
    x[i + 2] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0x44);
    x[i + 3] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    y[i] = _mm512_shuffle_f32x4(x[i], x[i + 4], 0x88);
    y[i + 4] = _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd);
    y[i + 8] = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0x88);
    y[i + 12] = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    x[i] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0xdd);
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
