#pragma once

#include <retention/kernels/decay.h>
#include <retention/kernels/simd/causal_tiles.h>
#include <retention/kernels/simd/row_prefetch.h>

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

/// Works through a head chunk by chunk, for some strips of its value columns. No column depends on which others are
/// worked on with it.
template <class T, class Out>
class ChunkwiseHead {
  using W = typename StripsOf<T>::Words;

 public:
  ChunkwiseHead(const HeadRetention<T, Out>& head, int64_t chunk, int64_t first, int64_t count, float* scratch)
      : h_(head),
        chunk_(chunk),
        plan_(head.key_dim, head.value_dim, chunk),
        tiles_(plan_, head.key_dim, head.value_dim, first, count, scratch),
        decay_(plan_, scratch) {}

  void run() {
    decay_.fill(chunk_, h_.log_gamma, h_.key_scale, h_.query_scale);
    has_state_ = h_.initial != nullptr;
    if (has_state_) tiles_.state.read(h_.initial, h_.transposed);
    for (int64_t begin = 0; begin < h_.tokens; begin += chunk_) {
      advance(begin, smaller(chunk_, h_.tokens - begin));
    }
    if (h_.last == nullptr) return;
    if (!has_state_) clear_state();
    tiles_.state.write(h_.last, h_.transposed);
  }

 private:
  void advance(int64_t begin, int64_t tokens) {
    const bool outputs = h_.out.data != nullptr, updates = begin + tokens < h_.tokens || h_.last != nullptr;
    if (outputs) {
      pack_columns<W>(h_.q, begin, tokens, h_.key_dim, tiles_.queries);
      pack_columns<W>(h_.k, begin, tokens, h_.key_dim, tiles_.keys);
      tiles_.score(tokens, tokens, true, decay_.inner);
    }
    if (updates) {
      pack_rows<W>(h_.k, begin, tokens, h_.key_dim, 0, strips_of(h_.key_dim), decay_.keyed + tokens - 1 + h_.shift,
                   tiles_.update);
    }
    RowPrefetch next = upcoming(begin + tokens, outputs);
    for_each_strip_group(0, tiles_.state.count, [&](int64_t strip, auto vectors) {
      pack_rows<W>(h_.v, begin, tokens, h_.value_dim, tiles_.state.first + strip, vectors, nullptr, tiles_.values);
      if (outputs) write_outputs<vectors()>(begin, tokens, strip, next);
      if (updates) update_state<vectors()>(tokens, strip, next);
    });
    has_state_ = has_state_ || updates;
  }

  // The rows of the next chunk, for the tiles of this one.
  RowPrefetch upcoming(int64_t begin, bool outputs) const {
    const int64_t tokens = smaller(chunk_, h_.tokens - begin), first = tiles_.state.first * kLanes;
    const int64_t columns = smaller(tiles_.state.count * kLanes, h_.value_dim - first);
    RowPrefetch next;
    next.add(h_.k, begin, tokens, 0, h_.key_dim);
    if (outputs) next.add(h_.q, begin, tokens, 0, h_.key_dim);
    next.add(h_.v, begin, tokens, first, columns);
    if (outputs) next.add(h_.out, begin, tokens, first, columns);
    const int64_t tiles = (outputs ? chunk_ : 0) / kTileRows + h_.key_dim / kTileRows;
    next.spread(larger(tiles * ((tiles_.state.count + kTileVectors - 1) / kTileVectors), 1));
    return next;
  }

  template <int vectors>
  void write_outputs(int64_t begin, int64_t tokens, int64_t strip, RowPrefetch& next) const {
    const int64_t words = words_of<W>(h_.key_dim), column = (tiles_.state.first + strip) * kLanes;
    const Strips& state = tiles_.state.operand();
    for (int64_t i = 0; i < tokens; i += kTileRows) {
      next.step();
      Sums<vectors> sums;
      for_each_sum<vectors>([&](int r, int c) { sums[r][c] = zero(); });
      if (has_state_) {
        multiply_strips<W>(sums, tiles_.queries.column(i), state.row(strip, 0), state.stride, words);
        const float* const carried = decay_.carried + i + 1 - h_.shift;
        for_each_sum<vectors>([&](int r, int c) { sums[r][c] = mul(sums[r][c], broadcast(carried[r])); });
      }
      const int64_t seen = words_of<W>(smaller(tokens, i + kTileRows));
      multiply_strips<W>(sums, tiles_.scores.column(i), tiles_.values.data, tiles_.values.stride, seen);
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
        sums[r][i] = has_state_ ? mul(decay, load(tiles_.state.values.row(strip + i, d + r))) : zero();
      });
      multiply_strips<W>(sums, tiles_.update.column(d), tiles_.values.data, tiles_.values.stride, words);
      store_words<FloatStrips>(sums, tiles_.state.values, strip, d);
      if constexpr (W::kPack == 2) store_words<W>(sums, tiles_.state.words, strip, d);
    }
  }

  void clear_state() const {
    for (int64_t strip = 0; strip < tiles_.state.count; ++strip) {
      for (int64_t d = 0; d < h_.key_dim; ++d) store(tiles_.state.values.row(strip, d), zero());
    }
  }

  HeadRetention<T, Out> h_;
  int64_t chunk_;
  CausalScratch plan_;
  HeadTiles<W> tiles_;
  ChunkDecay decay_;
  bool has_state_ = false;
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
