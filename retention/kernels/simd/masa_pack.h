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

/// Rows of q or k to rotate: head h of token t is x + t * stride + h * head_dim.
template <class T>
struct RotarySource {
  const T* x;
  int64_t stride;
  float scale;
  float* words;
};

/// Rotates and scales the tokens [first, first + count) of some heads of q, of k or of both, which share the factors;
/// [count][row] words for each head, heads `apart` words apart.
template <class Words, int sources, class Sizes, class T>
[[gnu::always_inline]] inline void rotate_rows(const Sizes& sizes, const TokenLine<T>& line,
                                               const RotarySource<T> (&source)[sources], int64_t heads, int64_t apart,
                                               int64_t first, int64_t count) {
  const int64_t channels = sizes.channels();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t token = line.token(first + i), pair = token * (channels / 2);
    for (int64_t c = 0; c < channels; c += kLanes) {
      const int64_t n = masa_smaller(channels - c, kLanes);
      Floats sin[sources], cos[sources];
      const T* x[sources];
#pragma GCC unroll 2
      for (int s = 0; s < sources; ++s) {
        sin[s] = mul(load_twice(line.tables.sin + pair + c / 2, n), broadcast(source[s].scale));
        cos[s] = mul(load_twice(line.tables.cos + pair + c / 2, n), broadcast(source[s].scale));
        x[s] = source[s].x + token * source[s].stride + c;
      }
      int64_t from = 0, to = i * sizes.row();
      for (int64_t head = 0; head < heads; ++head, from += channels, to += apart) {
#pragma GCC unroll 2
        for (int s = 0; s < sources; ++s) {
          Words::store(source[s].words + to, c, rotate_pairs(load_lanes(x[s] + from, n), sin[s], cos[s]));
        }
      }
    }
  }
}

/// The rows of `group` [kLanes][row] words as columns [depth][kPanel] of a panel.
template <class Sizes>
inline void store_columns(const Sizes& sizes, const float* group, float* panel) {
  const int64_t depth = sizes.depth(), row = sizes.row();
  for (int64_t w = 0; w < depth; w += kLanes) {
    Floats block[kLanes];
#pragma GCC unroll 16
    for (int64_t i = 0; i < kLanes; ++i) block[i] = load_lanes(group + i * row + w, row - w);
    transpose(block);
    const int64_t used = masa_smaller(depth - w, kLanes);
    for (int64_t i = 0; i < used; ++i) store(panel + (w + i) * kPanel, block[i]);
  }
}

/// Rotated keys of some heads, each in panels of kPanel keys: [panel][depth][kPanel] words, heads `apart` words apart.
/// Keys beyond the last are 0 up to a whole vector. `group` holds kLanes rows of each head, `rows_apart` words apart,
/// as the queries of the same tokens are that are rotated too when there are any.
template <class Words, class Sizes, class T>
void pack_keys(const Sizes& sizes, const TokenLine<T>& line, int64_t heads, float* group, int64_t rows_apart,
               float* panels, int64_t apart, RotarySource<T> queries) {
  const int64_t depth = sizes.depth(), row = sizes.row();
  const RotarySource<T> keys{line.k, line.strides.k, 1.0f, group};
  for (int64_t key = 0; key < line.count; key += kLanes) {
    const int64_t count = masa_smaller(line.count - key, kLanes);
    if (queries.x != nullptr) {
      rotate_rows<Words, 2>(sizes, line, {keys, queries}, heads, rows_apart, key, count);
      queries.words += kLanes * row;
    } else {
      rotate_rows<Words, 1>(sizes, line, {keys}, heads, rows_apart, key, count);
    }
    for (int64_t head = 0; head < heads; ++head) {
      float* rows = group + head * rows_apart;
      for (int64_t w = count * row; w < kLanes * row; w += kLanes) store(rows + w, zero());
      store_columns(sizes, rows, panels + head * apart + key / kPanel * depth * kPanel + key % kPanel);
    }
  }
}

/// Values of some heads as [count][width] floats, or [count / 2][width] pairs of two tokens, 0 where the second is
/// missing; heads `apart` floats apart.
template <class Words, class Sizes, class T>
void pack_values(const Sizes& sizes, const TokenLine<T>& line, int64_t heads, float* values, int64_t apart) {
  const int64_t channels = sizes.channels(), next = line.step * line.strides.v;
  for (int64_t i = 0; i < line.count; i += Words::kPack, values += sizes.width()) {
    const T* x = line.v + line.token(i) * line.strides.v;
    float* to = values;
    for (int64_t head = 0; head < heads; ++head, x += channels, to += apart) {
      for (int64_t c = 0; c < channels; c += kLanes) {
        const int64_t n = masa_smaller(channels - c, kLanes);
        if constexpr (Words::kPack == 1) {
          store(to + c, load_lanes(x + c, n));
        } else {
          const Floats odd = i + 1 < line.count ? load_lanes(x + next + c, n) : zero();
          store(to + c, Words::interleave(load_lanes(x + c, n), odd));
        }
      }
    }
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
