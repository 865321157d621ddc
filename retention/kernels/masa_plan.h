#pragma once

// How the fused MaSA kernels divide their work and workspace; private to them. Everything has internal linkage: this is
// compiled for several instruction sets.

#include <cstdint>

#include <retention/kernels/masa_reference.h>

namespace retentive::retention {
namespace {

// Keys that a block of queries attends to at a time.
constexpr int64_t kMasaKeyBlock = 256;
// Words from one row of probabilities to the next; not a power of two, rows would share cache sets.
constexpr int64_t kMasaRowStride = kMasaKeyBlock + 16;
constexpr int64_t kMasaTileRows = 14;
// The widest vector and panel of keys of any instruction set.
constexpr int64_t kMasaLanes = 16;
constexpr int64_t kMasaPanel = 2 * kMasaLanes;
// Largest table of Manhattan decays that is built for a head; larger grids fill in the decays of a tile when needed.
constexpr int64_t kMasaGridTable = 524288;

constexpr int64_t masa_round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }
// Queries in a block: whole tiles of 14 rows. Where keys come in several blocks, each should serve many queries while
// it is in the cache.
constexpr int64_t masa_query_block(int64_t keys) { return keys > kMasaKeyBlock ? 224 : 56; }

inline int64_t masa_smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t masa_larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Floats of the decays by distance along an axis, of one head: index `reach - 1` is distance 0.
inline int64_t masa_axis_reach(const MasaProblem& p) { return masa_larger(p.height, p.width); }
inline int64_t masa_axis_floats(const MasaProblem& p) {
  return masa_round_up(2 * masa_axis_reach(p) + kMasaPanel, kMasaLanes);
}

// Floats of the decays between a column of the grid and all positions up to height - 1 rows above and below.
inline int64_t masa_column_floats(const MasaProblem& p) { return (2 * p.height - 1) * p.width; }
inline bool masa_has_grid_table(const MasaProblem& p) {
  return p.height > 1 && p.width > 1 && p.width * masa_column_floats(p) <= kMasaGridTable;
}

// Heads of a line that are packed together: they share the rotary factors, and their rows lie side by side in memory.
constexpr int64_t kMasaPackedHeads = 16384;
inline int64_t masa_head_group(const MasaProblem& p, int64_t count) {
  return masa_smaller(p.heads, masa_larger(kMasaPackedHeads / (count * p.head_dim), 1));
}

// Offsets into the workspace of a thread, in floats, for attention of `heads` heads at a time over `count` tokens.
struct MasaScratch {
  int64_t head_keys, head_values, head_queries;
  int64_t keys, values, queries, weights, results, sums, peaks, group, decay, floats;

  MasaScratch(const MasaProblem& p, int64_t count, int64_t packed_queries, int64_t heads, int64_t decay_floats) {
    const int64_t width = masa_round_up(p.head_dim, kMasaLanes);
    const int64_t block = masa_query_block(count);
    int64_t end = 0;
    const auto take = [&](int64_t size) {
      const int64_t at = end;
      end += masa_round_up(size, kMasaLanes);
      return at;
    };
    head_keys = masa_round_up(count, kMasaPanel) * width;
    head_values = masa_round_up(count, 2) * width;
    head_queries = packed_queries * width;
    keys = take(heads * head_keys);
    values = take(heads * head_values);
    queries = take(heads * head_queries);
    weights = take(kMasaTileRows * kMasaRowStride);
    results = take(block * width);
    sums = take(block * kMasaLanes);
    peaks = take(block);
    group = take(heads * masa_larger(head_queries, kMasaLanes * width));
    decay = take(decay_floats);
    floats = end;
  }
};

inline MasaScratch masa_full_scratch(const MasaProblem& p) {
  const int64_t tokens = p.height * p.width;
  const int64_t table = masa_has_grid_table(p) ? p.width * masa_column_floats(p) + kMasaPanel : 0;
  return MasaScratch(p, tokens, masa_query_block(tokens), 1, masa_larger(table, kMasaTileRows * kMasaRowStride));
}

// For lines of `count` tokens.
inline MasaScratch masa_line_scratch(const MasaProblem& p, int64_t count) {
  return MasaScratch(p, count, masa_round_up(count, kMasaLanes), masa_head_group(p, count), 0);
}

inline int64_t masa_decomposed_floats(const MasaProblem& p) {
  return masa_larger(masa_line_scratch(p, p.width).floats, masa_line_scratch(p, p.height).floats);
}

}  // namespace
}  // namespace retentive::retention
