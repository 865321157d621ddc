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

// Rows whose length is known and fills whole vectors, and all others. for_each_vector calls fn(c, n) for every vector
// of a padded row, n of its lanes within the head.
template <int64_t kDim>
struct WholeRows {
  static constexpr int64_t head_dim = kDim, padded_dim = kDim;

  template <class F>
  void for_each_vector(F&& fn) const {
#pragma GCC unroll 4
    for (int64_t c = 0; c < kDim; c += kLanes) fn(c, kLanes);
  }
};
struct PartialRows : RowShape {
  template <class F>
  void for_each_vector(F&& fn) const {
    for (int64_t c = 0; c < padded_dim; c += kLanes) {
      const int64_t left = head_dim - c;
      fn(c, left >= kLanes ? kLanes : left > 0 ? left : 0);
    }
  }
};

// fn(rows, i, token) for the tokens first, first + 1, ... of the line.
template <class F>
inline void for_each_row(const RowShape& shape, const Line& line, int64_t first, int64_t count, F&& fn) {
  const auto run = [&](const auto& rows) {
    for (int64_t i = 0, token = line.start + first * line.step; i < count; ++i, token += line.step) fn(rows, i, token);
  };
  if (shape.head_dim == 16) return run(WholeRows<16>());
  if (shape.head_dim == 32) return run(WholeRows<32>());
  run(PartialRows{shape});
}

inline Floats load_lanes(const float* from, int64_t n) { return n == kLanes ? load(from) : load_first(from, n); }
inline void store_lanes(float* to, Floats x, int64_t n) {
  if (n == kLanes) return store(to, x);
  store_first(to, x, n);
}

/// Copies tokens first, first + 1, ... of the line; the padding becomes 0.
inline void gather(const RowShape& shape, const Line& line, int64_t first, int64_t count, const float* from,
                   int64_t stride, float* to) {
  for_each_row(shape, line, first, count, [=](const auto& rows, int64_t i, int64_t token) {
    rows.for_each_vector(
        [&](int64_t c, int64_t n) { store(to + i * rows.padded_dim + c, load_lanes(from + token * stride + c, n)); });
  });
}

/// gather of the rows scaled, then turned by the phases of their tokens.
inline void gather_turned(const RowShape& shape, const Line& line, int64_t first, int64_t count,
                          const MasaTables& tables, float scale, const float* from, int64_t stride, float* to) {
  const Floats factor = broadcast(scale);
  for_each_row(shape, line, first, count, [=](const auto& rows, int64_t i, int64_t token) {
    const int64_t phases = token * (rows.head_dim / 2);
    rows.for_each_vector([&](int64_t c, int64_t n) {
      const Floats x = mul(load_lanes(from + token * stride + c, n), factor);
      const Floats sin = load_twice(tables.sin + phases + c / 2, n), cos = load_twice(tables.cos + phases + c / 2, n);
      store(to + i * rows.padded_dim + c, rotate_pairs(x, sin, cos));
    });
  });
}

/// Writes rows to tokens of the line.
inline void scatter(const RowShape& shape, const Line& line, int64_t first, int64_t count, const float* from, float* to,
                    int64_t stride) {
  for_each_row(shape, line, first, count, [=](const auto& rows, int64_t i, int64_t token) {
    rows.for_each_vector(
        [&](int64_t c, int64_t n) { store_lanes(to + token * stride + c, load(from + i * rows.padded_dim + c), n); });
  });
}

/// Turns rows, plus `others` unless null, back by the phases of their tokens, scales and writes them.
inline void scatter_turned_back(const RowShape& shape, const Line& line, int64_t first, int64_t count,
                                const MasaTables& tables, float scale, const float* from, const float* others,
                                float* to, int64_t stride) {
  const Floats factor = broadcast(scale);
  for_each_row(shape, line, first, count, [=](const auto& rows, int64_t i, int64_t token) {
    const int64_t phases = token * (rows.head_dim / 2);
    rows.for_each_vector([&](int64_t c, int64_t n) {
      const int64_t at = i * rows.padded_dim + c;
      const Floats x = others != nullptr ? add(load(from + at), load(others + at)) : load(from + at);
      const Floats sin = load_twice(tables.sin + phases + c / 2, n), cos = load_twice(tables.cos + phases + c / 2, n);
      store_lanes(to + token * stride + c, mul(rotate_pairs_back(x, sin, cos), factor), n);
    });
  });
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
