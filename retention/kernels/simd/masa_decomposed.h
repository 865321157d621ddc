#pragma once

// Decomposed MaSA: rows of the grid, then columns.

#include <retention/base/parallel_for.h>
#include <retention/kernels/simd/masa_strip.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Decays along the line itself.
struct AxisDecay {
  const float* table;
  int64_t reach;

  void rows(int64_t first, int count, int64_t key, int64_t, const float** rows) const {
    for (int r = 0; r < count; ++r) rows[r] = table + reach - 1 - (first + r) + key;
  }
};

/// The lines of one pass: `line` is line 0 of the first head and batch entry, the others start `apart` tokens apart.
template <class T>
struct LinePass {
  TokenLine<T> line;
  int64_t lines;
  int64_t apart;

  TokenLine<T> at(const MasaProblem& p, int64_t batch, int64_t index, int64_t head) const {
    const int64_t tokens = batch * p.height * p.width, channel = head * p.head_dim;
    TokenLine<T> moved = line;
    moved.q += tokens * line.strides.q + channel;
    moved.k += tokens * line.strides.k + channel;
    moved.v += tokens * line.strides.v + channel;
    moved.out += tokens * line.strides.out + channel;
    moved.first = index * apart;
    return moved;
  }
};

/// Heads [head, head + heads) of one line.
template <class Words, int64_t head_dim, class T>
void attend_line(const MasaCall<T>& call, const TokenLine<T>& line, const MasaScratch& scratch,
                 const MasaBuffers& buffers, int64_t head, int64_t heads) {
  const MasaProblem& p = call.problem;
  const HeadSizes<Words, head_dim> sizes{p.head_dim};
  const float scale = static_cast<float>(p.k_scale) * kLog2E;
  const RotarySource<T> queries{line.q, line.strides.q, scale, buffers.queries};
  pack_keys<Words>(sizes, line, heads, buffers.group, scratch.head_queries, buffers.keys, scratch.head_keys, queries);
  pack_values<Words>(sizes, line, heads, buffers.values, scratch.head_values);
  for (int64_t i = 0; i < heads; ++i) {
    const AxisDecay decay{call.workspace + (head + i) * masa_axis_floats(p), masa_axis_reach(p)};
    MasaStrip<HeadSizes<Words, head_dim>, T, AxisDecay> strip{sizes, line, decay, buffers.keys + i * scratch.head_keys,
                                                              buffers.values + i * scratch.head_values};
    strip.line.out += i * p.head_dim;
    const int64_t whole = masa_query_block(line.count);
    const float* packed = buffers.queries + i * scratch.head_queries;
    for (int64_t first = 0; first < line.count; first += whole) {
      const int64_t block = masa_smaller(line.count - first, whole);
      attend_block<Words>(strip, p.decay_mode, packed + first * sizes.row(), buffers, first, block);
    }
  }
}

template <class Words, int64_t head_dim, class T>
void attend_lines(const MasaCall<T>& call, const LinePass<T>& pass) {
  const MasaProblem& p = call.problem;
  const MasaScratch scratch = masa_line_scratch(p, pass.line.count);
  const int64_t group = masa_head_group(p, pass.line.count), groups = (p.heads + group - 1) / group;
  float* threads = call.workspace + p.heads * masa_axis_floats(p);
  parallel_for(p.batch * pass.lines * groups, call.threads, [&](int64_t begin, int64_t end, int worker) {
    const MasaBuffers buffers(threads + worker * masa_decomposed_floats(p), scratch);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t head = task % groups * group, index = task / groups;
      const TokenLine<T> line = pass.at(p, index / pass.lines, index % pass.lines, head);
      attend_line<Words, head_dim>(call, line, scratch, buffers, head, masa_smaller(group, p.heads - head));
    }
  });
}

template <class Words, int64_t head_dim, class T>
void decomposed(const MasaCall<T>& call) {
  const MasaProblem& p = call.problem;
  fill_axis_tables(p, call.log_gamma, call.workspace);
  TokenLine<T> line{call.q, call.k, call.v, call.out, call.strides, call.tables, 0, 1, p.width};
  attend_lines<Words, head_dim>(call, LinePass<T>{line, p.height, p.width});
  // The result of the rows is the value of the columns, in place: a column's values are packed before it is written.
  line.v = call.out;
  line.strides.v = call.strides.out;
  line.step = p.width;
  line.count = p.height;
  attend_lines<Words, head_dim>(call, LinePass<T>{line, p.width, 1});
}

template <class Words, class T>
void decomposed_of_size(const MasaCall<T>& call) {
  if (call.problem.head_dim == 16) return decomposed<Words, 16>(call);
  if (call.problem.head_dim == 32) return decomposed<Words, 32>(call);
  decomposed<Words, 0>(call);
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
