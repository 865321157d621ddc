#pragma once

#include <iterator>
#include <utility>

#include <retention/kernels/simd/simd.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// C (+)= A B: A has `rows` rows of `depth` elements at a[row * a_row + step * a_step], B `depth` rows of `vectors`
/// vectors. Rows of C are computed in whole tiles: up to kRowSlack more of A are read and of C are written.
struct Product {
  const float* a;
  int64_t a_row;
  int64_t a_step;
  const float* b;
  int64_t b_stride;
  float* c;
  int64_t c_stride;
  int64_t rows;
  int vectors;
  int64_t depth;
  bool accumulate;
};

constexpr int kRowSlack = 16;
constexpr int kTileRows[] = {16, 14, 12, 10, 8, 7, 6, 5, 4};
constexpr int kTileHeights = static_cast<int>(std::size(kTileRows));
// The rest of the 32 or 16 registers holds a row of B and an element of A.
constexpr int kMostSums = kLanes == 16 ? 28 : 12;
constexpr int kMostVectors = 3;

/// Which of kTileRows wastes least on `rows` rows, among those that fit beside `vectors` columns.
inline int best_height(int64_t rows, int vectors) {
  int best = kTileHeights - 1;
  int64_t least = INT64_MAX;
  for (int i = 0; i < kTileHeights; ++i) {
    const int height = kTileRows[i];
    const int64_t padded = (static_cast<int>(rows) + height - 1) / height * height;
    if (height * vectors > kMostSums || padded >= least) continue;
    best = i;
    least = padded;
  }
  return best;
}

template <int R, int V, int kRow, int kStep>
void tile(const Product& p, const float* a, const float* b, float* c) {
  const int64_t row = kRow != 0 ? kRow : p.a_row, step = kStep != 0 ? kStep : p.a_step;
  const int64_t b_stride = p.b_stride, c_stride = p.c_stride, depth = p.depth;
  Floats sums[R][V];
  float* to = c;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r, to += c_stride) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sums[r][v] = p.accumulate ? load(to + v * kLanes) : zero();
  }
  for (int64_t k = 0; k < depth; ++k, a += step, b += b_stride) {
    Floats right[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) right[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Floats left = broadcast(a[r * row]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sums[r][v] = fmadd(left, right[v], sums[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r, c += c_stride) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) store(c + v * kLanes, sums[r][v]);
  }
}

using Tile = void (*)(const Product&, const float*, const float*, float*);

template <int R, int V, int kRow, int kStep>
constexpr Tile tile_or_null() {
  if constexpr (R * V <= kMostSums) return tile<R, V, kRow, kStep>;
  return nullptr;
}

template <int V, int kRow, int kStep, int... i>
void multiply_columns(const Product& p, int column, std::integer_sequence<int, i...>) {
  constexpr Tile kTiles[] = {tile_or_null<kTileRows[i], V, kRow, kStep>()...};
  const int height = best_height(p.rows, V);
  const int64_t row = kRow != 0 ? kRow : p.a_row;
  for (int64_t r = 0; r < p.rows; r += kTileRows[height]) {
    kTiles[height](p, p.a + r * row, p.b + column * kLanes, p.c + r * p.c_stride + column * kLanes);
  }
}

/// kRow and kStep are the strides of A where known at compile time, else 0.
template <int kRow, int kStep>
void multiply(const Product& p) {
  constexpr std::make_integer_sequence<int, kTileHeights> kHeights;
  for (int column = 0; column < p.vectors;) {
    const int left = p.vectors - column;
    const int taken = left > kMostVectors ? 2 : left;
    if (taken == 1) multiply_columns<1, kRow, kStep>(p, column, kHeights);
    if (taken == 2) multiply_columns<2, kRow, kStep>(p, column, kHeights);
    if (taken == 3) multiply_columns<3, kRow, kStep>(p, column, kHeights);
    column += taken;
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
