#pragma once

// Rows of q, k and v as the products of the fused MaSA kernels read them.

#include <retention/kernels/masa.h>
#include <retention/kernels/simd/masa_words.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

constexpr int64_t kPanel = 2 * kLanes;

/// Tokens first, first + step, ... of one head: element (i, c) of q is q[(first + i * step) * strides.q + c].
template <class T>
struct TokenLine {
  const T* q;
  const T* k;
  const T* v;
  T* out;
  MasaStrides strides;
  MasaTables tables;
  int64_t first;
  int64_t step;
  int64_t count;

  int64_t token(int64_t i) const { return first + i * step; }
};

template <class T>
inline Floats load_lanes(const T* from, int64_t n) {
  return n >= kLanes ? load(from) : load_first(from, n);
}

/// Rotates and scales the row of one token into words.
template <class Words, class Sizes, class T>
inline void rotate_row(const Sizes& sizes, const T* x, const MasaTables& tables, int64_t token, float scale,
                       float* words) {
  const int64_t pairs = sizes.channels() / 2;
  const float* sin = tables.sin + token * pairs;
  const float* cos = tables.cos + token * pairs;
  const Floats factor = broadcast(scale);
  for (int64_t c = 0; c < sizes.channels(); c += kLanes) {
    const int64_t n = masa_smaller(sizes.channels() - c, kLanes);
    const Floats values = mul(load_lanes(x + c, n), factor);
    Words::store(words, c, rotate_pairs(values, load_twice(sin + c / 2, n), load_twice(cos + c / 2, n)));
  }
}

/// Rotated keys in panels of kPanel keys: [panel][depth][kPanel] words. Keys beyond the last are 0 up to a whole
/// vector.
template <class Words, class Sizes, class T>
void pack_keys(const Sizes& sizes, const TokenLine<T>& line, float* group, float* panels) {
  const int64_t depth = sizes.depth(), row = sizes.row();
  for (int64_t key = 0; key < line.count; key += kLanes) {
    for (int64_t i = 0; i < kLanes; ++i) {
      float* to = group + i * row;
      if (key + i < line.count) {
        const int64_t token = line.token(key + i);
        rotate_row<Words>(sizes, line.k + token * line.strides.k, line.tables, token, 1.0f, to);
      } else {
        for (int64_t c = 0; c < row; ++c) to[c] = 0.0f;
      }
    }
    float* to = panels + key / kPanel * depth * kPanel + key % kPanel;
    for (int64_t c = 0; c < depth; c += kLanes) {
      Floats block[kLanes];
      const int64_t n = masa_smaller(row - c, kLanes);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i) block[i] = load_lanes(group + i * row + c, n);
      transpose(block);
      const int64_t used = masa_smaller(depth - c, kLanes);
      for (int64_t i = 0; i < used; ++i) store(to + (c + i) * kPanel, block[i]);
    }
  }
}

/// Values as [count][width] floats, or [count / 2][width] pairs of two tokens, 0 where the second is missing.
template <class Words, class Sizes, class T>
void pack_values(const Sizes& sizes, const TokenLine<T>& line, float* values) {
  for (int64_t i = 0; i < line.count; i += Words::kPack, values += sizes.width()) {
    const T* x = line.v + line.token(i) * line.strides.v;
    for (int64_t c = 0; c < sizes.channels(); c += kLanes) {
      const int64_t n = masa_smaller(sizes.channels() - c, kLanes);
      if constexpr (Words::kPack == 1) {
        store(values + c, load_lanes(x + c, n));
      } else {
        const Floats next = i + 1 < line.count ? load_lanes(x + line.step * line.strides.v + c, n) : zero();
        store(values + c, Words::interleave(load_lanes(x + c, n), next));
      }
    }
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
