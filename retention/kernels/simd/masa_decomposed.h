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

  /// Of heads that are packed together.
  int64_t groups(const MasaProblem& p) const {
    const int64_t group = masa_head_group(p, line.count);
    return (p.heads + group - 1) / group;
  }

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

/// Lines of a pass by one thread: groups of heads [begin, end), counted through batch entries, lines and heads.
template <class Words, int64_t head_dim, class T>
void attend_lines(const MasaCall<T>& call, const LinePass<T>& pass, int64_t begin, int64_t end, int worker) {
  const MasaProblem& p = call.problem;
  const MasaScratch scratch = masa_line_scratch(p, pass.line.count);
  float* threads = call.workspace + p.heads * masa_axis_floats(p);
  const MasaBuffers buffers(threads + worker * masa_decomposed_floats(p), scratch);
  const int64_t group = masa_head_group(p, pass.line.count), groups = pass.groups(p);
  for (int64_t task = begin; task < end; ++task) {
    const int64_t head = task % groups * group, index = task / groups;
    const TokenLine<T> line = pass.at(p, index / pass.lines, index % pass.lines, head);
    attend_line<Words, head_dim>(call, line, scratch, buffers, head, masa_smaller(group, p.heads - head));
  }
}

template <class Words, int64_t head_dim, class T>
void decomposed(const MasaCall<T>& call) {
  const MasaProblem& p = call.problem;
  fill_axis_tables(p, call.log_gamma, call.workspace);
  const LinePass<T> rows{
      {call.q, call.k, call.v, call.out, call.strides, call.tables, 0, 1, p.width}, p.height, p.width};
  // The result of the rows is the value of the columns, in place: a column's values are packed before it is written.
  MasaStrides strides = call.strides;
  strides.v = strides.out;
  const LinePass<T> columns{
      {call.q, call.k, call.out, call.out, strides, call.tables, 0, p.width, p.height}, p.width, 1};
  const int64_t row_tasks = p.height * rows.groups(p), column_tasks = p.width * columns.groups(p);
  // A thread does both passes of a batch entry while it is in the cache; entries that do not go round are shared.
  const int64_t whole = p.batch / call.threads * call.threads, shared = p.batch - whole;
  parallel_for(whole, call.threads, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) {
      attend_lines<Words, head_dim>(call, rows, i * row_tasks, (i + 1) * row_tasks, worker);
      attend_lines<Words, head_dim>(call, columns, i * column_tasks, (i + 1) * column_tasks, worker);
    }
  });
  parallel_for(shared * row_tasks, call.threads, [&](int64_t begin, int64_t end, int worker) {
    attend_lines<Words, head_dim>(call, rows, whole * row_tasks + begin, whole * row_tasks + end, worker);
  });
  parallel_for(shared * column_tasks, call.threads, [&](int64_t begin, int64_t end, int worker) {
    attend_lines<Words, head_dim>(call, columns, whole * column_tasks + begin, whole * column_tasks + end, worker);
  });
}

template <class Words, class T>
void decomposed_of_size(const MasaCall<T>& call) {
  if (call.problem.head_dim == 16) return decomposed<Words, 16>(call);
  if (call.problem.head_dim == 32) return decomposed<Words, 32>(call);
  decomposed<Words, 0>(call);
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
