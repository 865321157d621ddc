#pragma once

#include <retention/kernels/simd/causal_chunk.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// One block of kCausalMostChunk queries of a head against all keys before their last, block by block. The sums of the
/// block lie in strips of value columns until the last block of keys, its own, sends them out.
template <class T, class Out>
class ParallelBlock {
  using W = typename StripsOf<T>::Words;
  static constexpr int64_t kBlock = kCausalMostChunk;

 public:
  ParallelBlock(const HeadRetention<T, Out>& head, int64_t block, float* scratch)
      : h_(head),
        begin_(block * kBlock),
        tokens_(smaller(kBlock, head.tokens - begin_)),
        strips_(strips_of(head.value_dim)),
        plan_(head.key_dim, head.value_dim, kBlock) {
    const int64_t depth = strips_of(h_.key_dim) * kLanes;
    const int64_t dim_stride = (words_of<W>(depth) + 1) * kLanes, token_stride = (words_of<W>(kBlock) + 1) * kLanes;
    queries_ = {scratch + plan_.queries, dim_stride};
    keys_ = {scratch + plan_.keys, dim_stride};
    values_ = {scratch + plan_.values, token_stride};
    scores_ = {scratch + plan_.scores, token_stride};
    sums_ = {scratch + plan_.sums, (kBlock + 1) * kLanes};
    powers_ = scratch + plan_.powers;
    decay_ = scratch + plan_.inner + kBlock;
    const Strips values = {scratch + plan_.state, (depth + 1) * kLanes};
    state_ = {values, {scratch + plan_.words, dim_stride}, h_.key_dim, h_.value_dim, 0, strips_};
  }

  void run() {
    pack_columns<W>(h_.q, begin_, tokens_, h_.key_dim, queries_);
    gamma_powers(h_.log_gamma, 2 * kBlock, powers_);
    has_sums_ = h_.initial != nullptr;
    if (has_sums_) start_from_state();
    for (int64_t key = 0; key <= begin_; key += kBlock) add_keys(key);
  }

 private:
  void start_from_state() {
    state_.read(h_.initial, false);
    const float first = gamma_power(h_.log_gamma, begin_ + 1);
    const Strips& state = state_.operand();
    for_each_strip_group(0, strips_, [&](int64_t strip, auto vectors) {
      for (int64_t i = 0; i < tokens_; i += kTileRows) {
        Sums<vectors()> sums;
        for_each_sum<vectors()>([&](int r, int c) { sums[r][c] = zero(); });
        multiply_strips<W>(sums, queries_.column(i), state.row(strip, 0), state.stride, words_of<W>(h_.key_dim));
        for_each_sum<vectors()>([&](int r, int c) {
          store(sums_.row(strip + c, i + r), mul(sums[r][c], broadcast(first * powers_[i + r])));
        });
      }
    });
  }

  // The keys [key, key + kBlock), or the block's own where they are the last.
  void add_keys(int64_t key) {
    const bool last = key == begin_;
    if (!fill_decay(begin_ - key) && !last) return;
    const int64_t count = last ? tokens_ : kBlock;
    pack_columns<W>(h_.k, key, count, h_.key_dim, keys_);
    score(count, last);
    for_each_strip_group(0, strips_, [&](int64_t strip, auto vectors) {
      pack_rows<W>(h_.v, key, count, h_.value_dim, strip, vectors, nullptr, values_);
      for (int64_t i = 0; i < tokens_; i += kTileRows) add_tile<vectors()>(i, count, strip, last);
    });
    has_sums_ = true;
  }

  // decay_[i] = scale gamma^(i + distance), 0 where the power is negative. Returns whether any is not 0.
  bool fill_decay(int64_t distance) const {
    const int64_t lowest = distance > 0 ? -(kBlock - 1) : 0;
    const float first = gamma_power(h_.log_gamma, lowest + distance) * h_.key_scale;
    for (int64_t i = -kBlock; i < lowest; ++i) decay_[i] = 0;
    for (int64_t i = lowest; i < kBlock; ++i) decay_[i] = first * powers_[i - lowest];
    return first != 0;
  }

  void score(int64_t count, bool own) const {
    const int64_t words = words_of<W>(h_.key_dim);
    for_each_strip_group(0, strips_of(tokens_), [&](int64_t strip, auto vectors) {
      const int64_t end = strip + vectors;
      for (int64_t key = 0; key < (own ? smaller(end * kLanes, count) : count); key += kTileRows) {
        for_each_strip_group(own ? larger(strip, key / kLanes) : strip, end, [&](int64_t s, auto v) {
          score_tile<W, v()>(queries_, keys_, words, s, key, decay_, scores_);
        });
      }
    });
  }

  template <int vectors>
  void add_tile(int64_t i, int64_t count, int64_t strip, bool last) const {
    Sums<vectors> sums;
    for_each_sum<vectors>([&](int r, int c) { sums[r][c] = has_sums_ ? load(sums_.row(strip + c, i + r)) : zero(); });
    const int64_t seen = last ? smaller(count, i + kTileRows) : count;
    multiply_strips<W>(sums, scores_.column(i), values_.data, values_.stride, words_of<W>(seen));
    if (!last) {
      for_each_sum<vectors>([&](int r, int c) { store(sums_.row(strip + c, i + r), sums[r][c]); });
      return;
    }
    const int64_t rows = smaller(tokens_ - i, kTileRows);
    for_each_sum<vectors>([&](int r, int c) {
      if (r < rows) store_columns(h_.out.at(begin_ + i + r), (strip + c) * kLanes, h_.value_dim, sums[r][c]);
    });
  }

  HeadRetention<T, Out> h_;
  int64_t begin_, tokens_, strips_;
  CausalScratch plan_;
  Strips queries_, keys_, values_, scores_, sums_;
  float* powers_;
  float* decay_;
  StripState<W> state_;
  bool has_sums_ = false;
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
