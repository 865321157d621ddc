#pragma once

#include <retention/kernels/simd/causal_chunk.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// One block of kMostRetentionChunk queries of a head against all keys before their last, block by block. The sums of
/// the block lie in strips of value columns until the last block of keys, its own, sends them out.
template <class T, class Out>
class ParallelBlock {
  using W = typename StripsOf<T>::Words;
  static constexpr int64_t kBlock = kMostRetentionChunk;

 public:
  ParallelBlock(const HeadRetention<T, Out>& head, int64_t block, float* scratch)
      : h_(head),
        begin_(block * kBlock),
        tokens_(smaller(kBlock, head.tokens - begin_)),
        strips_(strips_of(head.value_dim)),
        plan_(head.key_dim, head.value_dim, kBlock),
        tiles_(plan_, head.key_dim, head.value_dim, 0, strips_, scratch),
        sums_{scratch + plan_.sums, (kBlock + 1) * kLanes},
        powers_(scratch + plan_.powers),
        decay_(scratch + plan_.inner + kBlock) {}

  void run() {
    pack_columns<W>(h_.q, begin_, tokens_, h_.key_dim, tiles_.queries);
    gamma_powers(h_.log_gamma, 2 * kBlock, powers_);
    has_sums_ = h_.initial != nullptr;
    if (has_sums_) start_from_state();
    for (int64_t key = 0; key <= begin_; key += kBlock) add_keys(key);
  }

 private:
  void start_from_state() {
    tiles_.state.read(h_.initial, false);
    const float first = gamma_power(h_.log_gamma, begin_ + 1);
    const Strips& state = tiles_.state.operand();
    for_each_strip_group(0, strips_, [&](int64_t strip, auto vectors) {
      for (int64_t i = 0; i < tokens_; i += kTileRows) {
        Sums<vectors()> sums;
        for_each_sum<vectors()>([&](int r, int c) { sums[r][c] = zero(); });
        multiply_strips<W>(sums, tiles_.queries.column(i), state.row(strip, 0), state.stride, words_of<W>(h_.key_dim));
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
    pack_columns<W>(h_.k, key, count, h_.key_dim, tiles_.keys);
    tiles_.score(tokens_, count, last, decay_);
    for_each_strip_group(0, strips_, [&](int64_t strip, auto vectors) {
      pack_rows<W>(h_.v, key, count, h_.value_dim, strip, vectors, nullptr, tiles_.values);
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

  template <int vectors>
  void add_tile(int64_t i, int64_t count, int64_t strip, bool last) const {
    Sums<vectors> sums;
    for_each_sum<vectors>([&](int r, int c) { sums[r][c] = has_sums_ ? load(sums_.row(strip + c, i + r)) : zero(); });
    const int64_t seen = last ? smaller(count, i + kTileRows) : count;
    multiply_strips<W>(sums, tiles_.scores.column(i), tiles_.values.data, tiles_.values.stride, words_of<W>(seen));
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
  HeadTiles<W> tiles_;
  Strips sums_;
  float* powers_;
  float* decay_;
  bool has_sums_ = false;
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
