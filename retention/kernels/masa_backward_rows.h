#pragma once

#include <retention/kernels/masa_layout.h>
#include <retention/kernels/simd/simd.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Tokens start, start + step, ... of a head: what one attention runs over.
struct Line {
  int64_t start;
  int64_t step;
};

/// Head-contiguous rows of `head_dim` floats padded to `padded_dim`, a multiple of kLanes.
struct RowShape {
  int64_t head_dim;
  int64_t padded_dim;
};

// fn(c, n) for every vector of a padded row, n of its lanes within the head.
template <class F>
inline void for_each_vector(const RowShape& shape, F&& fn) {
  for (int64_t c = 0; c < shape.padded_dim; c += kLanes) {
    const int64_t left = shape.head_dim - c;
    fn(c, left >= kLanes ? kLanes : left > 0 ? left : 0);
  }
}

inline Floats load_lanes(const float* from, int64_t n) { return n == kLanes ? load(from) : load_first(from, n); }
inline void store_lanes(float* to, Floats x, int64_t n) {
  if (n == kLanes) return store(to, x);
  store_first(to, x, n);
}

/// Copies tokens first, first + 1, ... of the line; the padding becomes 0.
inline void gather(const RowShape& shape, const Line& line, int64_t first, int64_t count, const float* from,
                   int64_t stride, float* to) {
  for (int64_t i = 0; i < count; ++i, to += shape.padded_dim) {
    const float* row = from + (line.start + (first + i) * line.step) * stride;
    for_each_vector(shape, [&](int64_t c, int64_t n) { store(to + c, load_lanes(row + c, n)); });
  }
}

/// gather of the rows scaled, then turned by the phases of their tokens.
inline void gather_turned(const RowShape& shape, const Line& line, int64_t first, int64_t count,
                          const MasaTables& tables, float scale, const float* from, int64_t stride, float* to) {
  const Floats factor = broadcast(scale);
  for (int64_t i = 0; i < count; ++i, to += shape.padded_dim) {
    const int64_t token = line.start + (first + i) * line.step;
    const int64_t phases = token * (shape.head_dim / 2);
    for_each_vector(shape, [&](int64_t c, int64_t n) {
      const Floats x = mul(load_lanes(from + token * stride + c, n), factor);
      const Floats sin = load_twice(tables.sin + phases + c / 2, n), cos = load_twice(tables.cos + phases + c / 2, n);
      store(to + c, rotate_pairs(x, sin, cos));
    });
  }
}

/// Writes rows to tokens of the line.
inline void scatter(const RowShape& shape, const Line& line, int64_t first, int64_t count, const float* from, float* to,
                    int64_t stride) {
  for (int64_t i = 0; i < count; ++i, from += shape.padded_dim) {
    float* row = to + (line.start + (first + i) * line.step) * stride;
    for_each_vector(shape, [&](int64_t c, int64_t n) { store_lanes(row + c, load(from + c), n); });
  }
}

/// Turns rows back by the phases of their tokens, scales them and writes them, or adds them to what is there.
inline void scatter_turned_back(const RowShape& shape, const Line& line, int64_t first, int64_t count,
                                const MasaTables& tables, float scale, const float* from, float* to, int64_t stride,
                                bool accumulate) {
  const Floats factor = broadcast(scale);
  for (int64_t i = 0; i < count; ++i, from += shape.padded_dim) {
    const int64_t token = line.start + (first + i) * line.step;
    const int64_t phases = token * (shape.head_dim / 2);
    for_each_vector(shape, [&](int64_t c, int64_t n) {
      const Floats sin = load_twice(tables.sin + phases + c / 2, n), cos = load_twice(tables.cos + phases + c / 2, n);
      const Floats x = mul(rotate_pairs_back(load(from + c), sin, cos), factor);
      float* at = to + token * stride + c;
      store_lanes(at, accumulate ? add(load_lanes(at, n), x) : x, n);
    });
  }
}

/// to[c][i] = scale * from[i][c] for `columns` rows i, a multiple of kLanes.
inline void transpose_rows(const RowShape& shape, const float* from, int64_t columns, float scale, float* to,
                           int64_t stride) {
  const Floats factor = broadcast(scale);
  for (int64_t i = 0; i < columns; i += kLanes) {
    for (int64_t c = 0; c < shape.padded_dim; c += kLanes) {
      Floats block[kLanes];
#pragma GCC unroll 16
      for (int64_t r = 0; r < kLanes; ++r) block[r] = load(from + (i + r) * shape.padded_dim + c);
      transpose(block);
#pragma GCC unroll 16
      for (int64_t r = 0; r < kLanes; ++r) store(to + (c + r) * stride + i, mul(block[r], factor));
    }
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
