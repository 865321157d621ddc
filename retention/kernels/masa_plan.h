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

inline int64_t masa_round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }
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

// Offsets into the workspace of a thread, in floats, for attention over `count` tokens.
struct MasaScratch {
  int64_t keys, values, queries, rows, results, sums, peaks, group, decay, floats;

  MasaScratch(const MasaProblem& p, int64_t count, int64_t decay_floats) {
    const int64_t width = masa_round_up(p.head_dim, kMasaLanes);
    int64_t end = 0;
    const auto take = [&](int64_t size) {
      const int64_t at = end;
      end += masa_round_up(size, kMasaLanes);
      return at;
    };
    keys = take(masa_round_up(count, kMasaPanel) * width);
    values = take(masa_round_up(count, 2) * width);
    queries = take(kMasaQueryBlock * width);
    rows = take(kMasaTileRows * kMasaRowStride);
    results = take(kMasaQueryBlock * width);
    sums = take(kMasaQueryBlock * kMasaLanes);
    peaks = take(kMasaQueryBlock);
    group = take(kMasaLanes * width);
    decay = take(decay_floats);
    floats = end;
  }
};

inline MasaScratch masa_full_scratch(const MasaProblem& p) {
  const int64_t table = masa_has_grid_table(p) ? p.width * masa_column_floats(p) + kMasaPanel : 0;
  return MasaScratch(p, p.height * p.width, masa_larger(table, kMasaTileRows * kMasaRowStride));
}

inline MasaScratch masa_decomposed_scratch(const MasaProblem& p) { return MasaScratch(p, masa_axis_reach(p), 0); }

}  // namespace
}  // namespace retentive::retention
