#pragma once

#include <type_traits>

#include <retention/kernels/simd/simd.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

// Matrix products C [m][n] = sum over k of A [k][m] B [k][n]. Operands lie in strips of kLanes columns: row k of strip
// s holds kLanes words at (s * depth + k) * kLanes, and a word holds kPack consecutive rows.

/// Rows of C in a tile: half a strip of A. With kTileVectors strips of B the sums fill the registers.
constexpr int64_t kTileRows = kLanes / 2;
constexpr int kTileVectors = 3;

struct FloatStrips {
  static constexpr int64_t kPack = 1;

  static Floats dot(Floats sum, Floats a, Floats b) { return fmadd(a, b, sum); }
  /// Words of a row of n values, at most kLanes of them.
  template <class T>
  static Floats load_words(const T* from, int64_t n) {
    return n >= kLanes ? load(from) : load_first(from, n);
  }
};

#if defined(__AVX512BF16__)
struct Bfloat16Strips {
  static constexpr int64_t kPack = 2;

  static Floats dot(Floats sum, Floats a, Floats b) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
  static Floats load_words(const bfloat16* from, int64_t n) {
    const auto keep = n >= 2 * kLanes ? ~__mmask32{0} : static_cast<__mmask32>((uint32_t{1} << n) - 1);
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(keep, from));
  }
  /// The words of two rows, rounded to nearest even.
  static Floats join(Floats first, Floats second) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512bh rounded = _mm512_cvtne2ps_pbh(second, first);
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, reinterpret_cast<__m512i>(rounded)));
  }
};
#endif

template <class T>
struct StripsOf {
  using Words = FloatStrips;
};
#if defined(__AVX512BF16__)
template <>
struct StripsOf<bfloat16> {
  using Words = Bfloat16Strips;
};
#endif

inline int64_t strips_of(int64_t columns) { return (columns + kLanes - 1) / kLanes; }

/// Words that hold `depth` values.
template <class W>
inline int64_t words_of(int64_t depth) {
  return (depth + W::kPack - 1) / W::kPack;
}

/// A matrix in strips; `stride` floats from one to the next.
struct Strips {
  float* data;
  int64_t stride;

  float* row(int64_t strip, int64_t k) const { return data + strip * stride + k * kLanes; }
  /// Row 0 at column `c` of the matrix, c being a multiple of kTileRows.
  const float* column(int64_t c) const { return data + c / kLanes * stride + c % kLanes; }
};

/// The sums of kTileRows rows and `vectors` strips.
template <int vectors>
using Sums = Floats[kTileRows][vectors];

/// Calls fn(row, vector) for all sums, unrolled.
template <int vectors, class F>
[[gnu::always_inline]] inline void for_each_sum(F&& fn) {
#pragma GCC unroll 8
  for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 3
    for (int i = 0; i < vectors; ++i) fn(r, i);
  }
}

/// Adds to the sums of rows a.. and strips b, `b_stride` floats from one to the next, over `depth` words.
template <class W, int vectors>
[[gnu::always_inline]] inline void multiply_strips(Sums<vectors>& sums, const float* a, const float* b,
                                                   int64_t b_stride, int64_t depth) {
#pragma GCC unroll 2
  for (int64_t k = 0; k < depth; ++k) {
    Floats columns[vectors];
#pragma GCC unroll 3
    for (int i = 0; i < vectors; ++i) columns[i] = load(b + k * kLanes + i * b_stride);
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const Floats x = broadcast(a[k * kLanes + r]);
#pragma GCC unroll 3
      for (int i = 0; i < vectors; ++i) sums[r][i] = W::dot(sums[r][i], x, columns[i]);
    }
  }
}

/// Stores the sums as rows [row, row + kTileRows) of the strips from `first` on.
template <class W, int vectors>
[[gnu::always_inline]] inline void store_words(const Sums<vectors>& sums, const Strips& to, int64_t first,
                                               int64_t row) {
  if constexpr (W::kPack == 1) {
    for_each_sum<vectors>([&](int r, int i) { store(to.row(first + i, row + r), sums[r][i]); });
  } else {
    for_each_sum<vectors>([&](int r, int i) {
      if (r % 2 == 0) store(to.row(first + i, (row + r) / 2), W::join(sums[r][i], sums[r + 1][i]));
    });
  }
}

/// Stores the values at `column` of a row, those of them that the row has.
template <class T>
inline void store_columns(T* row, int64_t column, int64_t columns, Floats values) {
  if (columns - column >= kLanes) {
    store(row + column, values);
  } else {
    store_first(row + column, values, columns - column);
  }
}

/// Calls fn(first, integral constant) for groups of at most kTileVectors of the strips [begin, end), evenly divided.
template <class F>
inline void for_each_strip_group(int64_t begin, int64_t end, F&& fn) {
  const int64_t count = end - begin, groups = (count + kTileVectors - 1) / kTileVectors;
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t from = begin + count * group / groups, to = begin + count * (group + 1) / groups;
    if (to - from == 3) fn(from, std::integral_constant<int, 3>());
    if (to - from == 2) fn(from, std::integral_constant<int, 2>());
    if (to - from == 1) fn(from, std::integral_constant<int, 1>());
  }
}

/// Rows of one head: the first token's and the distance between tokens, negative when time runs backwards.
template <class T>
struct HeadRows {
  T* data;
  int64_t stride;

  T* at(int64_t token) const { return data + token * stride; }
};

/// Packs the strips [first, first + count) of the columns of `tokens` rows, the depth: `columns` of each row, times a
/// factor for each token where `factors` is given, which runs downwards from there.
template <class W, class T>
inline void pack_rows(const HeadRows<const T>& x, int64_t token, int64_t tokens, int64_t columns, int64_t first,
                      int64_t count, const float* factors, const Strips& to) {
  for (int64_t strip = 0; strip < count; ++strip) {
    const int64_t c = (first + strip) * kLanes, n = smaller(columns - c, kLanes);
    const auto row = [&](int64_t t) {
      const Floats values = FloatStrips::load_words(x.at(token + t) + c, n);
      return factors == nullptr ? values : mul(values, broadcast(factors[-t]));
    };
    if constexpr (W::kPack == 1) {
      for (int64_t t = 0; t < tokens; ++t) store(to.row(strip, t), row(t));
    } else {
      for (int64_t t = 0; t < tokens; t += 2) {
        store(to.row(strip, t / 2), W::join(row(t), t + 1 < tokens ? row(t + 1) : zero()));
      }
    }
  }
}

/// Packs rows so that tokens are the columns and their `dim` values the depth; columns past the last token are 0.
template <class W, class T>
inline void pack_columns(const HeadRows<const T>& x, int64_t token, int64_t tokens, int64_t dim, const Strips& to) {
  const int64_t words = words_of<W>(dim);
  for (int64_t begin = 0; begin < tokens; begin += kLanes) {
    for (int64_t w = 0; w < words; w += kLanes) {
      const int64_t rest = dim - w * W::kPack;
      Floats block[kLanes];
      for (int64_t r = 0; r < kLanes; ++r) {
        block[r] = begin + r < tokens ? W::load_words(x.at(token + begin + r) + w * W::kPack, rest) : zero();
      }
      transpose(block);
      float* const rows = to.row(begin / kLanes, w);
      const int64_t count = smaller(words - w, kLanes);
      for (int64_t r = 0; r < count; ++r) store(rows + r * kLanes, block[r]);
    }
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
