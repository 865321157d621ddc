#pragma once

// A tile of queries against a block of keys: scores, their exponentials, and the product with the values.

#include <retention/kernels/simd/masa_pack.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// What a tile reads and writes. Pointers with rows are those of the tile's first query; per key they start at the
/// block of keys.
struct MasaTile {
  const float* queries;               // [rows][sizes.row()] words
  const float* keys;                  // panels
  const float* values;                // [count / pack][width] words
  const float* decay[kMasaTileRows];  // of each row, [count]
  int64_t count;                      // keys of the block
  float* weights;                     // [rows][kMasaRowStride] words, probabilities before normalisation
  float* sums;                        // [rows][kMasaLanes]
  float* peaks;                       // [rows], largest score so far
  float* results;                     // [rows][width], while more blocks follow
  bool first, last;                   // block of keys
};

/// Sums above this and below its reciprocal send a block of queries to the path that subtracts the largest score.
constexpr float kGreatestSum = 18446744073709551616.0f;
/// Stands for -infinity.
constexpr float kLowest = -1e30f;

/// Exponentials of one row's scores of a panel into its weights.
template <class Words, bool paper, int vectors>
[[gnu::always_inline]] inline void finish_row(const MasaTile& tile, int r, int64_t key, Floats (&x)[vectors],
                                              int64_t valid) {
  float* weights = tile.weights + r * kMasaRowStride;
  float* sums = tile.sums + r * kMasaLanes;
#pragma GCC unroll 2
  for (int i = 0; i < vectors; ++i) x[i] = Words::exp2(x[i]);
  Floats total = load(sums);
  if constexpr (paper) {
    if (vectors == 2) total = add(total, x[0]);
    total = add(total, keep_first(x[vectors - 1], valid));
#pragma GCC unroll 2
    for (int i = 0; i < vectors; ++i) x[i] = mul(x[i], load(tile.decay[r] + key + i * kLanes));
    Words::store_row(weights, key, x, valid, zero());
  } else {
    total = Words::store_row(weights, key, x, valid, total);
  }
  store(sums, total);
}

/// Scores of `rows` queries from `first` on and the keys [key, key + vectors * kLanes), `valid` of the last vector's;
/// as they are when `raw`, otherwise their exponentials.
template <class Words, bool paper, bool raw, int rows, int vectors, class Sizes>
inline void score_panel(const Sizes& sizes, const MasaTile& tile, int first, int64_t key, int64_t valid) {
  Floats score[rows][vectors];
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
    for (int i = 0; i < vectors; ++i) score[r][i] = paper ? zero() : load(tile.decay[first + r] + key + i * kLanes);
  }
  multiply<Words>(score, tile.queries + first * sizes.row(), sizes.row(), tile.keys + key * sizes.depth(), kPanel,
                  sizes.depth());
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
    if constexpr (raw) {
#pragma GCC unroll 2
      for (int i = 0; i < vectors; ++i)
        store(tile.weights + (first + r) * kMasaRowStride + key + i * kLanes, score[r][i]);
    } else {
      finish_row<Words, paper>(tile, first + r, key, score[r], valid);
    }
  }
}

template <class Words, bool paper, bool raw, int rows, class Sizes>
inline void score_tile(const Sizes& sizes, const MasaTile& tile) {
  // Half a tile of two vectors keeps the multipliers busy, and its exponentials overlap with the other half's products.
  constexpr int part = rows == kMasaTileRows ? rows / 2 : rows;
  for (int64_t key = 0; key < tile.count; key += kPanel) {
    const int64_t left = tile.count - key;
    if (left > kLanes) {
      for (int first = 0; first < rows; first += part) {
        score_panel<Words, paper, raw, part, 2>(sizes, tile, first, key, masa_smaller(left - kLanes, kLanes));
      }
    } else {
      score_panel<Words, paper, raw, rows, 1>(sizes, tile, 0, key, left);
    }
  }
}

/// Raw scores of row r into weights relative to the largest so far; what earlier blocks gave is scaled to match.
template <class Words, bool paper>
void shift_row(const MasaTile& tile, int r, int64_t width) {
  float* scores = tile.weights + r * kMasaRowStride;
  const Floats lowest = broadcast(kLowest);
  Floats most = broadcast(tile.peaks[r]);
  for (int64_t key = 0; key < tile.count; key += kLanes) {
    const int64_t n = masa_smaller(tile.count - key, kLanes);
    most = max(most, add(keep_first(load(scores + key), n), sub(lowest, keep_first(lowest, n))));
  }
  const float peak = largest(most);
  const Floats factor = Words::exp2(broadcast(tile.peaks[r] - peak));
  tile.peaks[r] = peak;
  store(tile.sums + r * kMasaLanes, mul(load(tile.sums + r * kMasaLanes), factor));
  if (!tile.first) {
    float* results = tile.results + r * width;
    for (int64_t c = 0; c < width; c += kLanes) store(results + c, mul(load(results + c), factor));
  }
  for (int64_t key = 0; key < tile.count; key += kPanel) {
    const int64_t left = tile.count - key;
    // The bound is for lanes beyond the last key.
    Floats x[2] = {min(sub(load(scores + key), broadcast(peak)), zero()),
                   min(sub(load(scores + key + kLanes), broadcast(peak)), zero())};
    if (left > kLanes) {
      finish_row<Words, paper>(tile, r, key, x, masa_smaller(left - kLanes, kLanes));
    } else {
      Floats one[1] = {x[0]};
      finish_row<Words, paper>(tile, r, key, one, left);
    }
  }
}

/// Channels [c, c + vectors * kLanes) of the product with the values, times scale[r] into out when the block is the
/// last.
template <class Words, int rows, int vectors, class Sizes, class T>
inline void value_columns(const Sizes& sizes, const MasaTile& tile, int64_t c, const float* scale, T* out,
                          int64_t stride) {
  Floats result[rows][vectors];
  float* kept = tile.results + c;
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
    for (int i = 0; i < vectors; ++i) {
      result[r][i] = tile.first ? zero() : load(kept + r * sizes.width() + i * kLanes);
    }
  }
  const int64_t depth = (tile.count + Words::kPack - 1) / Words::kPack;
  multiply<Words>(result, tile.weights, kMasaRowStride, tile.values + c, sizes.width(), depth);
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
    for (int i = 0; i < vectors; ++i) {
      const int64_t at = c + i * kLanes;
      if (!tile.last) {
        store(kept + r * sizes.width() + i * kLanes, result[r][i]);
      } else if (sizes.channels() - at >= kLanes) {
        store(out + r * stride + at, mul(result[r][i], broadcast(scale[r])));
      } else {
        store_first(out + r * stride + at, mul(result[r][i], broadcast(scale[r])), sizes.channels() - at);
      }
    }
  }
}

/// One over the sum of each row; false when one is outside the range of unshifted scores.
template <int rows>
inline bool reciprocal_sums(const MasaTile& tile, float* scale) {
  bool good = true;
  for (int64_t first = 0; first < rows; first += kLanes) {
    Floats lanes[kLanes];
#pragma GCC unroll 16
    for (int64_t i = 0; i < kLanes; ++i) {
      lanes[i] = first + i < rows ? load(tile.sums + (first + i) * kMasaLanes) : broadcast(1.0f / kLanes);
    }
    const Floats total = sum_each(lanes), reciprocal = div(broadcast(1.0f), total);
    store(scale + first, reciprocal);
    good = good && all_below(max(abs(total), abs(reciprocal)), kGreatestSum);
  }
  return good;
}

/// The whole tile. False when a finished row's sum says that its scores must be shifted.
template <class Words, bool paper, bool shifted, int rows, class Sizes, class T>
[[gnu::noinline]] bool attend_tile(const Sizes& sizes, const MasaTile& tile, T* out, int64_t stride) {
  score_tile<Words, paper, shifted, rows>(sizes, tile);
  if constexpr (shifted) {
    for (int r = 0; r < rows; ++r) shift_row<Words, paper>(tile, r, sizes.width());
  }
  alignas(64) float scale[masa_round_up(rows, kLanes)];
  if (tile.last && !reciprocal_sums<rows>(tile, scale) && !shifted) return false;
  int64_t c = 0;
  for (; c + kPanel <= sizes.width(); c += kPanel) value_columns<Words, rows, 2>(sizes, tile, c, scale, out, stride);
  if (c < sizes.width()) value_columns<Words, rows, 1>(sizes, tile, c, scale, out, stride);
  return true;
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
