#pragma once

// Full MaSA: every token of the grid attends to all.

#include <retention/base/parallel_for.h>
#include <retention/kernels/simd/masa_strip.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Manhattan decays of one head. Small grids have them in a table: for each column of the grid, those to all positions
/// up to height - 1 rows above and below, in raster order, in which a query's keys are one run. For others the rows of
/// a tile are filled in.
struct GridDecay {
  const float* axis;
  int64_t height, width, reach;
  bool added, table;
  float* decay;

  Floats join(Floats a, Floats b) const { return added ? add(a, b) : mul(a, b); }

  /// Decays of the keys [key, key + count) at least, seen from (h, w), h and the keys' rows relative to each other.
  void fill(int64_t h, int64_t w, int64_t key, int64_t count, float* to) const {
    int64_t row = key / width, column = key % width;
    for (int64_t at = 0; at < count; ++row, column = 0) {
      const int64_t distance = masa_smaller(row > h ? row - h : h - row, reach - 1);
      const Floats vertical = broadcast(axis[reach - 1 + distance]);
      const float* horizontal = axis + reach - 1 - w + column;
      const int64_t end = masa_smaller(at + width - column, count);
      for (; at < end; at += kLanes, horizontal += kLanes) store(to + at, join(vertical, load(horizontal)));
      at = end;
    }
  }

  void fill_table() const {
    if (!table) return;
    const int64_t run = (2 * height - 1) * width;
    for (int64_t w = 0; w < width; ++w) fill(height - 1, w, 0, run, decay + w * run);
    for (int64_t i = 0; i < kMasaPanel; ++i) decay[width * run + i] = 0.0f;
  }

  void rows(int64_t first, int count, int64_t key, int64_t keys, const float** rows) const {
    for (int r = 0; r < count; ++r) {
      const int64_t h = (first + r) / width, w = (first + r) % width;
      if (table) {
        rows[r] = decay + w * (2 * height - 1) * width + (height - 1 - h) * width + key;
      } else {
        fill(h, w, key, masa_round_up(keys, kPanel), decay + r * kMasaRowStride);
        rows[r] = decay + r * kMasaRowStride;
      }
    }
  }
};

/// Tokens of one head of a batch entry, in raster order.
template <class T>
TokenLine<T> raster_line(const MasaCall<T>& call, int64_t batch, int64_t head) {
  const MasaProblem& p = call.problem;
  const MasaStrides& s = call.strides;
  const int64_t tokens = p.height * p.width, start = batch * tokens, channel = head * p.head_dim;
  return {call.q + start * s.q + channel,
          call.k + start * s.k + channel,
          call.v + start * s.v + channel,
          call.out + start * s.out + channel,
          s,
          call.tables,
          0,
          1,
          tokens};
}

/// Blocks of queries [begin, end) of one head.
template <class Words, int64_t head_dim, class T>
void attend_grid(const MasaCall<T>& call, int64_t batch, int64_t head, const MasaBuffers& buffers, int64_t begin,
                 int64_t end) {
  const MasaProblem& p = call.problem;
  const HeadSizes<Words, head_dim> sizes{p.head_dim};
  const TokenLine<T> line = raster_line(call, batch, head);
  const float* axis = call.workspace + head * masa_axis_floats(p);
  const GridDecay decay{
      axis,         p.height, p.width, masa_axis_reach(p), p.decay_mode == DecayMode::release, masa_has_grid_table(p),
      buffers.decay};
  decay.fill_table();
  pack_keys<Words>(sizes, line, 1, buffers.group, buffers.keys, 0, RotarySource<T>{});
  pack_values<Words>(sizes, line, 1, buffers.values, 0);
  const MasaStrip<HeadSizes<Words, head_dim>, T, GridDecay> strip{sizes, line, decay, buffers.keys, buffers.values};
  const float scale = static_cast<float>(p.k_scale) * kLog2E;
  const RotarySource<T> queries{line.q, line.strides.q, scale, buffers.queries, 0};
  for (int64_t first = begin * kMasaQueryBlock; first < line.count && first < end * kMasaQueryBlock;
       first += kMasaQueryBlock) {
    const int64_t block = masa_smaller(line.count - first, kMasaQueryBlock);
    rotate_rows<Words, 1>(sizes, line, {queries}, 1, first, block);
    attend_block<Words>(strip, p.decay_mode, buffers.queries, buffers, first, block);
  }
}

template <class Words, int64_t head_dim, class T>
void full(const MasaCall<T>& call) {
  const MasaProblem& p = call.problem;
  const MasaScratch scratch = masa_full_scratch(p);
  const int64_t blocks = (p.height * p.width + kMasaQueryBlock - 1) / kMasaQueryBlock;
  fill_axis_tables(p, call.log_gamma, call.workspace);
  float* threads = call.workspace + p.heads * masa_axis_floats(p);
  parallel_for(p.batch * p.heads * blocks, call.threads, [&](int64_t begin, int64_t end, int worker) {
    const MasaBuffers buffers(threads + worker * scratch.floats, scratch);
    for (int64_t task = begin; task < end;) {
      const int64_t head = task / blocks, first = task % blocks;
      const int64_t last = masa_smaller(blocks, first + end - task);
      attend_grid<Words, head_dim>(call, head / p.heads, head % p.heads, buffers, first, last);
      task += last - first;
    }
  });
}

template <class Words, class T>
void full_of_size(const MasaCall<T>& call) {
  if (call.problem.head_dim == 16) return full<Words, 16>(call);
  if (call.problem.head_dim == 32) return full<Words, 32>(call);
  full<Words, 0>(call);
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
