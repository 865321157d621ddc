#pragma once

// Attention of a line of tokens to itself, one head: blocks of queries against blocks of keys.

#include <utility>

#include <retention/kernels/simd/masa_tile.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

#if defined(__AVX512F__)
using TileRows = std::integer_sequence<int, 14, 7, 4, 2, 1>;
#else
using TileRows = std::integer_sequence<int, 6, 4, 2, 1>;
#endif
using ShiftedTileRows = std::integer_sequence<int, 4, 1>;

/// The buffers of one thread.
struct MasaBuffers {
  float *keys, *values, *queries, *weights, *results, *sums, *peaks, *group, *decay;

  MasaBuffers(float* base, const MasaScratch& at)
      : keys(base + at.keys),
        values(base + at.values),
        queries(base + at.queries),
        weights(base + at.weights),
        results(base + at.results),
        sums(base + at.sums),
        peaks(base + at.peaks),
        group(base + at.group),
        decay(base + at.decay) {}
};

/// Packed keys and values of one head over a line, and where its results go.
template <class Sizes, class T, class Decay>
struct MasaStrip {
  Sizes sizes;
  TokenLine<T> line;
  Decay decay;
  const float* keys;
  const float* values;
};

/// Tiles of `rows` queries from row `done` of the block on, as many as fit.
template <class Words, bool paper, bool shifted, int rows, class Sizes, class Strip>
bool attend_rows(const Sizes& sizes, const Strip& strip, const float* queries, const MasaBuffers& buffers,
                 MasaTile& tile, int64_t first, int64_t key, int64_t& done, int64_t block) {
  const int64_t width = sizes.width(), stride = strip.line.step * strip.line.strides.out;
  for (; done + rows <= block; done += rows) {
    tile.queries = queries + done * sizes.row();
    tile.sums = buffers.sums + done * kMasaLanes;
    tile.peaks = buffers.peaks + done;
    tile.results = buffers.results + done * width;
    strip.decay.rows(first + done, rows, key, tile.count, tile.decay);
    auto* out = strip.line.out + strip.line.token(first + done) * strip.line.strides.out;
    if (!attend_tile<Words, paper, shifted, rows>(sizes, tile, out, stride)) return false;
  }
  return true;
}

/// Queries [first, first + block) against all keys.
template <class Words, bool paper, bool shifted, class Sizes, class Strip, int... rows>
bool attend_tiles(const Sizes& sizes, const Strip& strip, const float* queries, const MasaBuffers& buffers,
                  int64_t first, int64_t block, std::integer_sequence<int, rows...>) {
  for (int64_t i = 0; i < block * kMasaLanes; ++i) buffers.sums[i] = 0.0f;
  for (int64_t i = 0; i < block; ++i) buffers.peaks[i] = kLowest;
  for (int64_t key = 0; key < strip.line.count; key += kMasaKeyBlock) {
    MasaTile tile;
    tile.keys = strip.keys + key * sizes.depth();
    tile.values = strip.values + key / Words::kPack * sizes.width();
    tile.weights = buffers.weights;
    tile.count = masa_smaller(strip.line.count - key, kMasaKeyBlock);
    tile.first = key == 0;
    tile.last = key + kMasaKeyBlock >= strip.line.count;
    int64_t done = 0;
    if (!(attend_rows<Words, paper, shifted, rows>(sizes, strip, queries, buffers, tile, first, key, done, block) &&
          ...))
      return false;
  }
  return true;
}

template <class Words, bool paper, class Strip>
void attend_block_in_mode(const Strip& strip, const float* queries, const MasaBuffers& buffers, int64_t first,
                          int64_t block) {
  if (attend_tiles<Words, paper, false>(strip.sizes, strip, queries, buffers, first, block, TileRows())) return;
  const HeadSizes<Words, 0> sizes{strip.sizes.channels()};
  attend_tiles<Words, paper, true>(sizes, strip, queries, buffers, first, block, ShiftedTileRows());
}

/// Queries [first, first + block) of a strip, packed in `queries`.
template <class Words, class Strip>
void attend_block(const Strip& strip, DecayMode mode, const float* queries, const MasaBuffers& buffers, int64_t first,
                  int64_t block) {
  if (mode == DecayMode::paper) {
    attend_block_in_mode<Words, true>(strip, queries, buffers, first, block);
  } else {
    attend_block_in_mode<Words, false>(strip, queries, buffers, first, block);
  }
}

/// Decays by distance along an axis, of every head: the power of two added to scores, or the factor of weights.
inline void fill_axis_tables(const MasaProblem& p, const float* log_gamma, float* tables) {
  const int64_t reach = masa_axis_reach(p), floats = masa_axis_floats(p);
  const bool added = p.decay_mode == DecayMode::release;
  for (int64_t head = 0; head < p.heads; ++head, tables += floats) {
    float* middle = tables + reach - 1;
    *middle = added ? 0.0f : 1.0f;
    const float rate = log_gamma[head] * kLog2E;
    for (int64_t i = 1; i < reach; ++i) {
      const float power = static_cast<float>(i) * rate;
      const float bounded = power > kLowest ? power : kLowest;
      middle[i] = middle[-i] = added ? bounded : __builtin_exp2f(bounded);
    }
    // Lanes beyond the last key read on.
    for (float* rest = middle + reach; rest < tables + floats; ++rest) *rest = 0.0f;
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
