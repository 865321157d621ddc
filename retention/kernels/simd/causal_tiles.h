#pragma once

#include <retention/kernels/causal_plan.h>
#include <retention/kernels/simd/strips.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// The scores of a tile of tokens, queries in the strips and keys along the depth: decay(query - key) k . q, from key
/// `key` on for the strips of queries [first, first + vectors).
template <class W, int vectors>
inline void score_tile(const Strips& queries, const Strips& keys, int64_t words, int64_t first, int64_t key,
                       const float* decay, const Strips& scores) {
  Sums<vectors> sums;
  for_each_sum<vectors>([&](int r, int i) { sums[r][i] = zero(); });
  multiply_strips<W>(sums, keys.column(key), queries.row(first, 0), queries.stride, words);
  for_each_sum<vectors>(
      [&](int r, int i) { sums[r][i] = mul(sums[r][i], load(decay + (first + i) * kLanes - (key + r))); });
  store_words<W>(sums, scores, first, key);
}

/// The state of a head, value columns in the strips, and its words where they are not floats.
template <class W>
struct StripState {
  Strips values, words;
  int64_t key_dim, value_dim, first, count;

  /// Words that products read.
  const Strips& operand() const { return W::kPack == 1 ? values : words; }

  void read(const float* from, bool transposed) const {
    const int64_t rows = strips_of(key_dim) * kLanes;
    for (int64_t strip = 0; strip < count; ++strip) {
      const int64_t c = (first + strip) * kLanes, n = smaller(value_dim - c, kLanes);
      for (int64_t d = 0; d < rows; ++d) {
        float* const to = values.row(strip, d);
        if (d >= key_dim) {
          store(to, zero());
        } else if (transposed) {
          for (int64_t i = 0; i < kLanes; ++i) to[i] = i < n ? from[(c + i) * key_dim + d] : 0.0f;
        } else {
          store(to, FloatStrips::load_words(from + d * value_dim + c, n));
        }
      }
      if constexpr (W::kPack == 2) {
        for (int64_t d = 0; d < rows; d += 2) {
          store(words.row(strip, d / 2), W::join(load(values.row(strip, d)), load(values.row(strip, d + 1))));
        }
      }
    }
  }

  void write(float* to, bool transposed) const {
    for (int64_t strip = 0; strip < count; ++strip) {
      const int64_t c = (first + strip) * kLanes, n = smaller(value_dim - c, kLanes);
      for (int64_t d = 0; d < key_dim; ++d) {
        const float* const from = values.row(strip, d);
        if (transposed) {
          for (int64_t i = 0; i < n; ++i) to[(c + i) * key_dim + d] = from[i];
        } else {
          store_first(to + d * value_dim + c, load(from), n);
        }
      }
    }
  }
};

/// The operands of the products of one head, in strips.
template <class W>
struct HeadTiles {
  HeadTiles(const CausalScratch& plan, int64_t key_dim, int64_t value_dim, int64_t first, int64_t count, float* scratch)
      : words(words_of<W>(key_dim)) {
    const int64_t depth = strips_of(key_dim) * kLanes;
    const int64_t dim_stride = (words_of<W>(depth) + 1) * kLanes, token_stride = (words_of<W>(plan.chunk) + 1) * kLanes;
    queries = {scratch + plan.queries, dim_stride};
    keys = {scratch + plan.keys, dim_stride};
    update = {scratch + plan.update, token_stride};
    values = {scratch + plan.values, token_stride};
    scores = {scratch + plan.scores, token_stride};
    const Strips floats = {scratch + plan.state, (depth + 1) * kLanes};
    state = {floats, {scratch + plan.words, dim_stride}, key_dim, value_dim, first, count};
  }

  /// Scores of `queries_count` packed queries and `keys_count` packed keys; where the keys are the queries' own, no
  /// strip of queries meets keys after its last query.
  void score(int64_t queries_count, int64_t keys_count, bool own, const float* decay) const {
    for_each_strip_group(0, strips_of(queries_count), [&](int64_t strip, auto vectors) {
      const int64_t end = strip + vectors, last = own ? smaller(end * kLanes, keys_count) : keys_count;
      for (int64_t key = 0; key < last; key += kTileRows) {
        for_each_strip_group(own ? larger(strip, key / kLanes) : strip, end, [&](int64_t s, auto v) {
          score_tile<W, v()>(queries, keys, words, s, key, decay, scores);
        });
      }
    });
  }

  int64_t words;   ///< of the key channels of a token
  Strips queries;  ///< tokens in the strips, key channels along the depth
  Strips keys;     ///< likewise
  Strips update;   ///< key channels in the strips, tokens along the depth, decayed
  Strips values;   ///< a group of value columns in the strips, tokens along the depth
  Strips scores;   ///< queries in the strips, keys along the depth
  StripState<W> state;
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
