#pragma once

#include <retention/kernels/int4.h>
#include <retention/kernels/simd/rows.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

#if defined(__AVX512F__)

using Ints = __m512i;
constexpr int kTogether = 8;  // rows whose sums are in registers at once, with tile_vectors of outputs
constexpr int tile_vectors(int64_t rows) { return rows <= 4 ? 4 : 2; }
constexpr int32_t kLevelShift = 128;  // the products take levels without sign

inline Ints broadcast_int(const void* from) {
  int32_t value;
  __builtin_memcpy(&value, from, sizeof(value));
  return _mm512_set1_epi32(value);
}
inline Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }
/// sum + four products a lane of levels (shifted) and inputs.
inline Ints add_products(Ints sum, Ints levels, Ints inputs) { return _mm512_dpbusd_epi32(sum, levels, inputs); }

/// The levels, looked up by codes.
struct Levels {
  Ints table;

  Levels() {
    const __m128i levels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kInt4Levels));
    table = _mm512_broadcast_i32x4(_mm_xor_si128(levels, _mm_set1_epi8(-128)));
  }
  void look_up(const uint8_t* from, Ints& low, Ints& high) const {
    const Ints codes = _mm512_loadu_si512(from), mask = _mm512_set1_epi8(15);
    low = _mm512_shuffle_epi8(table, _mm512_and_si512(codes, mask));
    high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask));
  }
};

#else

using Ints = __m256i;
constexpr int kTogether = 4;
constexpr int tile_vectors(int64_t) { return 2; }
constexpr int32_t kLevelShift = 0;

inline Ints broadcast_int(const void* from) {
  int32_t value;
  __builtin_memcpy(&value, from, sizeof(value));
  return _mm256_set1_epi32(value);
}
inline Floats to_floats(Ints x) { return _mm256_cvtepi32_ps(x); }
/// sum + four products a lane of levels and inputs. Pairs of products fit into 16 bits: 2 * 127 * 127 < 2^15.
inline Ints add_products(Ints sum, Ints levels, Ints inputs) {
  const Ints pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(levels), _mm256_sign_epi8(inputs, levels));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/// The levels, looked up by codes.
struct Levels {
  Ints table = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kInt4Levels)));

  void look_up(const uint8_t* from, Ints& low, Ints& high) const {
    const Ints codes = _mm256_loadu_si256(reinterpret_cast<const Ints*>(from)), mask = _mm256_set1_epi8(15);
    low = _mm256_shuffle_epi8(table, _mm256_and_si256(codes, mask));
    high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask));
  }
};

#endif

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
