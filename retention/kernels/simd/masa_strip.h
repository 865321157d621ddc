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

/// The buffers of one thread.
struct MasaBuffers {
  float *keys, *values, *queries, *weights, *results, *sums, *peaks, *group, *decay;

  MasaBuffers(float* base, const MasaScratch& at)
      : keys(base + at.keys),
        values(base + at.values),
        queries(base + at.queries),
        weights(base + at.rows),
        results(base + at.results),
        sums(base + at.sums),
        peaks(base + at.peaks),
        group(base + at.group),
        decay(base + at.decay) {}
};

/// One head's attention over a line: what a block of queries needs beside the buffers.
template <class Sizes, class T, class Decay>
struct MasaStrip {
  Sizes sizes;
  TokenLine<T> line;
  Decay decay;
  bool paper;
  float scale;  // of the scores, log2 e included
};

template <class Words, class Strip>
void pack_strip(const Strip& strip, const MasaBuffers& buffers) {
  pack_keys<Words>(strip.sizes, strip.line, buffers.group, buffers.keys);
  pack_values<Words>(strip.sizes, strip.line, buffers.values);
}

/// Tiles of `rows` queries from row `done` of the block on, as many as fit.
template <class Words, bool shifted, int rows, class Strip>
bool attend_rows(Strip& strip, const MasaBuffers& buffers, MasaTile& tile, int64_t first, int64_t key, int64_t& done,
                 int64_t block) {
  const int64_t width = strip.sizes.width(), stride = strip.line.step * strip.line.strides.out;
  for (; done + rows <= block; done += rows) {
    tile.queries = buffers.queries + done * strip.sizes.row();
    tile.sums = buffers.sums + done * kMasaLanes;
    tile.peaks = buffers.peaks + done;
    tile.results = buffers.results + done * width;
    strip.decay.rows(first + done, rows, key, tile.count, tile.decay);
    auto* out = strip.line.out + strip.line.token(first + done) * strip.line.strides.out;
    if (!attend_tile<Words, shifted, rows>(strip.sizes, tile, out, stride)) return false;
  }
  return true;
}

/// Queries [first, first + block) against all keys.
template <class Words, bool shifted, class Strip, int... rows>
bool attend_block(Strip& strip, const MasaBuffers& buffers, int64_t first, int64_t block,
                  std::integer_sequence<int, rows...>) {
  for (int64_t i = 0; i < block * kMasaLanes; ++i) buffers.sums[i] = 0.0f;
  for (int64_t i = 0; i < block; ++i) buffers.peaks[i] = kLowest;
  for (int64_t key = 0; key < strip.line.count; key += kMasaKeyBlock) {
    MasaTile tile;
    tile.keys = buffers.keys + key * strip.sizes.depth();
    tile.values = buffers.values + key / Words::kPack * strip.sizes.width();
    tile.weights = buffers.weights;
    tile.count = masa_smaller(strip.line.count - key, kMasaKeyBlock);
    tile.paper = strip.paper;
    tile.first = key == 0;
    tile.last = key + kMasaKeyBlock >= strip.line.count;
    int64_t done = 0;
    if (!(attend_rows<Words, shifted, rows>(strip, buffers, tile, first, key, done, block) && ...)) return false;
  }
  return true;
}

/// Queries [begin, end) of a packed strip.
template <class Words, class Strip>
void attend_queries(Strip& strip, const MasaBuffers& buffers, int64_t begin, int64_t end) {
  const auto& line = strip.line;
  for (int64_t first = begin; first < end; first += kMasaQueryBlock) {
    const int64_t block = masa_smaller(end - first, kMasaQueryBlock);
    for (int64_t i = 0; i < block; ++i) {
      const int64_t token = line.token(first + i);
      rotate_row<Words>(strip.sizes, line.q + token * line.strides.q, line.tables, token, strip.scale,
                        buffers.queries + i * strip.sizes.row());
    }
    if (!attend_block<Words, false>(strip, buffers, first, block, TileRows())) {
      attend_block<Words, true>(strip, buffers, first, block, TileRows());
    }
  }
}

/// Decays by distance along an axis, of every head: the power of two added to scores, or the factor of weights.
inline void fill_axis_tables(const MasaProblem& p, const float* log_gamma, float* tables) {
  const int64_t reach = masa_axis_reach(p), floats = masa_axis_floats(p);
  for (int64_t head = 0; head < p.heads; ++head, tables += floats) {
    for (int64_t i = 0; i < floats; ++i) {
      const int64_t distance = i < reach ? reach - 1 - i : i - (reach - 1);
      if (i > 2 * reach - 2 || distance == 0) {
        tables[i] = p.decay_mode == DecayMode::release ? 0.0f : 1.0f;
        continue;
      }
      const float power = static_cast<float>(distance) * log_gamma[head] * kLog2E;
      const float bounded = power > kLowest ? power : kLowest;
      tables[i] = p.decay_mode == DecayMode::release ? bounded : __builtin_exp2f(bounded);
    }
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
