#pragma once

// Full MaSA: every token of the grid attends to all.

#include <retention/base/parallel_for.h>
#include <retention/kernels/simd/masa_strip.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

struct GridPoint {
  int64_t h, w;
};

/// Manhattan decays of one head. Small grids have them in a table: for each column of the grid, those to all positions
/// up to height - 1 rows above and below, in raster order, in which a query's keys are one run. A single row or column
/// of tokens has such runs in the axis. For others the rows of a tile are filled in.
struct GridDecay {
  const float* axis;
  int64_t height, width, reach;
  bool added, table;
  float* decay;

  Floats join(Floats a, Floats b) const { return added ? add(a, b) : mul(a, b); }

  /// Decays seen from `query` of `count` keys at least, from `key` on in raster order; rows are relative.
  void fill(GridPoint query, GridPoint key, int64_t count, float* to) const {
    const float* horizontal = axis + reach - 1 - query.w + key.w;
    for (int64_t at = 0, end = width - key.w; at < count; ++key.h, end += width) {
      const int64_t distance = masa_smaller(key.h > query.h ? key.h - query.h : query.h - key.h, reach - 1);
      const Floats vertical = broadcast(axis[reach - 1 + distance]);
      for (; at < masa_smaller(end, count); at += kLanes, horizontal += kLanes) {
        store(to + at, join(vertical, load(horizontal)));
      }
      at = end;
      horizontal = axis + reach - 1 - query.w;
    }
  }

  void fill_table() const {
    if (!table) return;
    const int64_t run = (2 * height - 1) * width;
    for (int64_t w = 0; w < width; ++w) {
      // The last vector of a row reaches into the next, which is put right when its first is stored.
      for (int64_t c = (width - 1) / kLanes * kLanes; c >= 0; c -= kLanes) {
        const Floats horizontal = load(axis + reach - 1 - w + c);
        float* to = decay + w * run + c;
        for (int64_t h = 1 - height; h < height; ++h, to += width) {
          store(to, join(broadcast(axis[reach - 1 + h]), horizontal));
        }
      }
    }
    for (int64_t i = 0; i < kMasaPanel; ++i) decay[width * run + i] = 0.0f;
  }

  void rows(int64_t first, int count, int64_t key, int64_t keys, const float** rows) const {
    if (height == 1 || width == 1) {
      for (int r = 0; r < count; ++r) rows[r] = axis + reach - 1 - (first + r) + key;
      return;
    }
    GridPoint query{first / width, first % width};
    const GridPoint start = table ? GridPoint{0, 0} : GridPoint{key / width, key % width};
    for (int r = 0; r < count; ++r) {
      if (table) {
        rows[r] = decay + query.w * (2 * height - 1) * width + (height - 1 - query.h) * width + key;
      } else {
        fill(query, start, masa_round_up(keys, kPanel), decay + r * kMasaRowStride);
        rows[r] = decay + r * kMasaRowStride;
      }
      if (++query.w == width) query = {query.h + 1, 0};
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

/// Blocks of queries [begin, end) of one head; `fresh` when the thread's last were of another head.
template <class Words, int64_t head_dim, class T>
void attend_grid(const MasaCall<T>& call, int64_t batch, int64_t head, bool fresh, const MasaBuffers& buffers,
                 int64_t begin, int64_t end) {
  const MasaProblem& p = call.problem;
  const HeadSizes<Words, head_dim> sizes{p.head_dim};
  const TokenLine<T> line = raster_line(call, batch, head);
  const float* axis = call.workspace + head * masa_axis_floats(p);
  const GridDecay decay{
      axis,         p.height, p.width, masa_axis_reach(p), p.decay_mode == DecayMode::release, masa_has_grid_table(p),
      buffers.decay};
  if (fresh) decay.fill_table();
  pack_keys<Words>(sizes, line, 1, buffers.group, 0, buffers.keys, 0, RotarySource<T>{});
  pack_values<Words>(sizes, line, 1, buffers.values, 0);
  const MasaStrip<HeadSizes<Words, head_dim>, T, GridDecay> strip{sizes, line, decay, buffers.keys, buffers.values};
  const float scale = static_cast<float>(p.k_scale) * kLog2E;
  const RotarySource<T> queries{line.q, line.strides.q, scale, buffers.queries};
  const int64_t whole = masa_query_block(line.count);
  for (int64_t first = begin * whole; first < line.count && first < end * whole; first += whole) {
    const int64_t block = masa_smaller(line.count - first, whole);
    rotate_rows<Words, 1>(sizes, line, {queries}, 1, 0, first, block);
    attend_block<Words>(strip, p.decay_mode, buffers.queries, buffers, first, block);
  }
}

template <class Words, int64_t head_dim, class T>
void full(const MasaCall<T>& call) {
  const MasaProblem& p = call.problem;
  const MasaScratch scratch = masa_full_scratch(p);
  const int64_t tokens = p.height * p.width, whole = masa_query_block(tokens), blocks = (tokens + whole - 1) / whole;
  fill_axis_tables(p, call.log_gamma, call.workspace);
  float* threads = call.workspace + p.heads * masa_axis_floats(p);
  parallel_for(p.batch * p.heads * blocks, call.threads, [&](int64_t begin, int64_t end, int worker) {
    const MasaBuffers buffers(threads + worker * scratch.floats, scratch);
    int64_t previous = -1;
    for (int64_t task = begin; task < end;) {
      const int64_t index = task / blocks, head = index / p.batch, first = task % blocks;
      const int64_t last = masa_smaller(blocks, first + end - task);
      attend_grid<Words, head_dim>(call, index % p.batch, head, head != previous, buffers, first, last);
      previous = head;
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
