#pragma once

// How the fused MaSA kernels divide their work and workspace; private to them. Everything has internal linkage: this is
// compiled for several instruction sets.

#include <cstdint>

#include <retention/kernels/masa_reference.h>

namespace retentive::retention {
namespace {

// Keys that a block of queries attends to at a time, and queries in such a block (whole tiles of 14 rows, 7 x 7 and
// 14 x 14 grids without a remainder worth mentioning).
constexpr int64_t kMasaKeyBlock = 256;
constexpr int64_t kMasaQueryBlock = 56;
// Words from one row of probabilities to the next; not a power of two, rows would share cache sets.
constexpr int64_t kMasaRowStride = kMasaKeyBlock + 16;
constexpr int64_t kMasaTileRows = 14;
// The widest vector and panel of keys of any instruction set.
constexpr int64_t kMasaLanes = 16;
constexpr int64_t kMasaPanel = 2 * kMasaLanes;
// Largest table of Manhattan decays that is built for a head; larger grids fill in the decays of a tile when needed.
constexpr int64_t kMasaGridTable = 65536;

constexpr int64_t masa_round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }
inline int64_t masa_smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t masa_larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Floats of the decays by distance along an axis, of one head: index `reach - 1` is distance 0.
inline int64_t masa_axis_reach(const MasaProblem& p) { return masa_larger(p.height, p.width); }
inline int64_t masa_axis_floats(const MasaProblem& p) {
  return masa_round_up(2 * masa_axis_reach(p) + kMasaPanel, kMasaLanes);
}

// Floats of the decays between a column of the grid and all positions up to height - 1 rows above and below.
inline int64_t masa_column_floats(const MasaProblem& p) { return (2 * p.height - 1) * p.width; }
inline bool masa_has_grid_table(const MasaProblem& p) { return p.width * masa_column_floats(p) <= kMasaGridTable; }

// Heads of a line that are packed together: they share the rotary factors, and their rows lie side by side in memory.
inline int64_t masa_head_group(const MasaProblem& p, int64_t count) {
  return masa_smaller(p.heads, masa_larger(3584 / (count * p.head_dim), 1));
}

// Offsets into the workspace of a thread, in floats, for attention of `heads` heads at a time over `count` tokens.
struct MasaScratch {
  int64_t head_keys, head_values, head_queries;
  int64_t keys, values, queries, weights, results, sums, peaks, group, decay, floats;

  MasaScratch(const MasaProblem& p, int64_t count, int64_t packed_queries, int64_t heads, int64_t decay_floats) {
    const int64_t width = masa_round_up(p.head_dim, kMasaLanes);
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
    results = take(kMasaQueryBlock * width);
    sums = take(kMasaQueryBlock * kMasaLanes);
    peaks = take(kMasaQueryBlock);
    group = take(heads * kMasaLanes * width);
    decay = take(decay_floats);
    floats = end;
  }
};

inline MasaScratch masa_full_scratch(const MasaProblem& p) {
  const int64_t table = masa_has_grid_table(p) ? p.width * masa_column_floats(p) + kMasaPanel : 0;
  return MasaScratch(p, p.height * p.width, kMasaQueryBlock, 1, masa_larger(table, kMasaTileRows * kMasaRowStride));
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
