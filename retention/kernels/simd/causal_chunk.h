#pragma once

#include <retention/kernels/causal_plan.h>
#include <retention/kernels/decay.h>
#include <retention/kernels/simd/row_prefetch.h>
#include <retention/kernels/simd/strips.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Retention of one head of one sequence:
///   out_n = query_scale (sum over m <= n of gamma^(n-m) q_n . k_m key_scale v_m + gamma^(n+1-shift) q_n initial)
///   last = gamma^tokens initial + sum over m of gamma^(tokens-1-m+shift) key_scale k_m^T v_m
/// Its gradients have the same form, with other operands, backwards in time and shifted by one.
template <class T, class Out>
struct HeadRetention {
  HeadRows<const T> q, k, v;
  HeadRows<Out> out;
  int64_t tokens, key_dim, value_dim;
  float log_gamma, key_scale, query_scale;
  int64_t shift;
  /// States [key_dim, value_dim], or [value_dim, key_dim] where transposed.
  const float* initial;
  float* last;
  bool transposed = false;
};

/// Decays of a chunk.
struct ChunkDecay {
  ChunkDecay(const CausalScratch& plan, float* scratch)
      : powers(scratch + plan.powers),
        keyed(scratch + plan.keyed),
        carried(scratch + plan.carried),
        inner(scratch + plan.inner + plan.chunk + kLanes) {}

  void fill(int64_t tokens, float log_gamma, float key_scale, float query_scale) const {
    gamma_powers(log_gamma, tokens + 2, powers);
    for (int64_t i = 0; i < tokens + 2; ++i) {
      keyed[i] = key_scale * powers[i];
      carried[i] = query_scale * powers[i];
    }
    for (int64_t i = -(tokens + kLanes); i < tokens + kLanes; ++i) {
      inner[i] = i < 0 || i > tokens ? 0 : key_scale * query_scale * powers[i];
    }
  }

  float* powers;   ///< gamma^i
  float* keyed;    ///< key_scale gamma^i
  float* carried;  ///< query_scale gamma^i
  float* inner;    ///< key_scale query_scale gamma^i, 0 for i < 0
};

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

/// Works through a head chunk by chunk, for some strips of its value columns. No column depends on which others are
/// worked on with it.
template <class T, class Out>
class ChunkwiseHead {
  using W = typename StripsOf<T>::Words;

 public:
  ChunkwiseHead(const HeadRetention<T, Out>& head, int64_t chunk, int64_t first, int64_t count, float* scratch)
      : h_(head), plan_(head.key_dim, head.value_dim, chunk), chunk_(chunk), decay_(plan_, scratch) {
    const int64_t depth = strips_of(h_.key_dim) * kLanes;
    const int64_t dim_stride = (words_of<W>(depth) + 1) * kLanes,
                  token_stride = (words_of<W>(plan_.chunk) + 1) * kLanes;
    queries_ = {scratch + plan_.queries, dim_stride};
    keys_ = {scratch + plan_.keys, dim_stride};
    update_ = {scratch + plan_.update, token_stride};
    values_ = {scratch + plan_.values, token_stride};
    scores_ = {scratch + plan_.scores, token_stride};
    const Strips values = {scratch + plan_.state, (depth + 1) * kLanes};
    state_ = {values, {scratch + plan_.words, dim_stride}, h_.key_dim, h_.value_dim, first, count};
  }

  void run() {
    decay_.fill(chunk_, h_.log_gamma, h_.key_scale, h_.query_scale);
    has_state_ = h_.initial != nullptr;
    if (has_state_) state_.read(h_.initial, h_.transposed);
    for (int64_t begin = 0; begin < h_.tokens; begin += chunk_) {
      advance(begin, smaller(chunk_, h_.tokens - begin));
    }
    if (h_.last == nullptr) return;
    if (!has_state_) clear_state();
    state_.write(h_.last, h_.transposed);
  }

 private:
  void advance(int64_t begin, int64_t tokens) {
    const bool outputs = h_.out.data != nullptr, updates = begin + tokens < h_.tokens || h_.last != nullptr;
    if (outputs) {
      pack_columns<W>(h_.q, begin, tokens, h_.key_dim, queries_);
      pack_columns<W>(h_.k, begin, tokens, h_.key_dim, keys_);
      score(tokens);
    }
    if (updates) {
      pack_rows<W>(h_.k, begin, tokens, h_.key_dim, 0, strips_of(h_.key_dim), decay_.keyed + tokens - 1 + h_.shift,
                   update_);
    }
    RowPrefetch next = upcoming(begin + tokens, outputs);
    for_each_strip_group(0, state_.count, [&](int64_t strip, auto vectors) {
      pack_rows<W>(h_.v, begin, tokens, h_.value_dim, state_.first + strip, vectors, nullptr, values_);
      if (outputs) write_outputs<vectors()>(begin, tokens, strip, next);
      if (updates) update_state<vectors()>(tokens, strip, next);
    });
    has_state_ = has_state_ || updates;
  }

  // The rows of the next chunk, for the tiles of this one.
  RowPrefetch upcoming(int64_t begin, bool outputs) const {
    const int64_t tokens = smaller(chunk_, h_.tokens - begin), first = state_.first * kLanes;
    const int64_t columns = smaller(state_.count * kLanes, h_.value_dim - first);
    RowPrefetch next;
    next.add(h_.k, begin, tokens, 0, h_.key_dim);
    if (outputs) next.add(h_.q, begin, tokens, 0, h_.key_dim);
    next.add(h_.v, begin, tokens, first, columns);
    if (outputs) next.add(h_.out, begin, tokens, first, columns);
    const int64_t tiles = (outputs ? chunk_ : 0) / kTileRows + h_.key_dim / kTileRows;
    next.spread(larger(tiles * ((state_.count + kTileVectors - 1) / kTileVectors), 1));
    return next;
  }

  void score(int64_t tokens) const {
    const int64_t words = words_of<W>(h_.key_dim);
    for_each_strip_group(0, strips_of(tokens), [&](int64_t strip, auto vectors) {
      const int64_t end = strip + vectors;
      // A strip of queries sees no key after its last query.
      for (int64_t key = 0; key < smaller(end * kLanes, tokens); key += kTileRows) {
        const int64_t first = larger(strip, key / kLanes);
        for_each_strip_group(first, end, [&](int64_t s, auto v) {
          score_tile<W, v()>(queries_, keys_, words, s, key, decay_.inner, scores_);
        });
      }
    });
  }

  template <int vectors>
  void write_outputs(int64_t begin, int64_t tokens, int64_t strip, RowPrefetch& next) const {
    const int64_t words = words_of<W>(h_.key_dim), column = (state_.first + strip) * kLanes;
    const Strips& state = state_.operand();
    for (int64_t i = 0; i < tokens; i += kTileRows) {
      next.step();
      Sums<vectors> sums;
      for_each_sum<vectors>([&](int r, int c) { sums[r][c] = zero(); });
      if (has_state_) {
        multiply_strips<W>(sums, queries_.column(i), state.row(strip, 0), state.stride, words);
        const float* const carried = decay_.carried + i + 1 - h_.shift;
        for_each_sum<vectors>([&](int r, int c) { sums[r][c] = mul(sums[r][c], broadcast(carried[r])); });
      }
      const int64_t seen = words_of<W>(smaller(tokens, i + kTileRows));
      multiply_strips<W>(sums, scores_.column(i), values_.data, values_.stride, seen);
      const int64_t rows = smaller(tokens - i, kTileRows);
      for_each_sum<vectors>([&](int r, int c) {
        if (r < rows) store_columns(h_.out.at(begin + i + r), column + c * kLanes, h_.value_dim, sums[r][c]);
      });
    }
  }

  template <int vectors>
  void update_state(int64_t tokens, int64_t strip, RowPrefetch& next) const {
    const int64_t words = words_of<W>(tokens);
    const Floats decay = broadcast(decay_.powers[tokens]);
    for (int64_t d = 0; d < h_.key_dim; d += kTileRows) {
      next.step();
      Sums<vectors> sums;
      for_each_sum<vectors>([&](int r, int i) {
        sums[r][i] = has_state_ ? mul(decay, load(state_.values.row(strip + i, d + r))) : zero();
      });
      multiply_strips<W>(sums, update_.column(d), values_.data, values_.stride, words);
      store_words<FloatStrips>(sums, state_.values, strip, d);
      if constexpr (W::kPack == 2) store_words<W>(sums, state_.words, strip, d);
    }
  }

  void clear_state() const {
    for (int64_t strip = 0; strip < state_.count; ++strip) {
      for (int64_t d = 0; d < h_.key_dim; ++d) store(state_.values.row(strip, d), zero());
    }
  }

  HeadRetention<T, Out> h_;
  CausalScratch plan_;
  int64_t chunk_;
  ChunkDecay decay_;
  Strips queries_, keys_, update_, values_, scores_;
  StripState<W> state_;
  bool has_state_ = false;
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
