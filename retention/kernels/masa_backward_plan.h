#pragma once

#include <cstdint>

#include <retention/kernels/masa_reference.h>

namespace retentive::retention {

/// Sizes of the scratch of the backward kernels in floats, the same for every instruction set.
struct MasaBackwardPlan {
  /// Queries that are worked on at a time, at most.
  static constexpr int64_t kBlock = 48;
  /// Rows beyond the last that kernels may touch.
  static constexpr int64_t kSlack = 16;

  MasaBackwardPlan(const MasaProblem& p, bool decomposed)
      : tokens(p.height * p.width),
        padded_dim(up(p.head_dim)),
        keys(decomposed ? (p.height > p.width ? p.height : p.width) : tokens),
        heads(p.batch * p.heads) {
    if (decomposed || heads == 0 || tokens == 0) return;
    // A fixed number of tasks: the split, and with it every bit of the result, is the same for any thread count.
    constexpr int64_t kTasks = 16, kFewestQueries = 64;
    parts = heads < kTasks ? (kTasks + heads - 1) / heads : 1;
    const int64_t most = (tokens + kFewestQueries - 1) / kFewestQueries;
    if (parts > most) parts = most;
  }

  static int64_t up(int64_t count) { return (count + 15) / 16 * 16; }

  /// Rows of all keys, with their slack.
  int64_t key_rows() const { return (keys + kSlack) * padded_dim; }
  /// Rows of a block of queries, with their slack.
  int64_t block_rows() const { return (kBlock + kSlack) * padded_dim; }
  /// Weights of a block of queries to all keys.
  int64_t weights() const { return (keys + kSlack) * kBlock; }
  /// Grid coordinates of the keys, and of the lanes beyond the last.
  int64_t coordinates() const { return up(keys) + kBlock; }

  int64_t worker() const {
    return 4 * key_rows() + 2 * weights() + 2 * coordinates() + 3 * block_rows() + 2 * padded_dim * kBlock + kBlock;
  }
  /// Gradients of k and v of one part of one head.
  int64_t part() const { return 2 * key_rows(); }
  /// One tensor of a head.
  int64_t head_rows() const { return tokens * padded_dim; }
  /// Tensors of a decomposed head between its passes.
  static constexpr int64_t kBetween = 5;
  int64_t between() const { return kBetween * head_rows(); }

  int64_t tokens;
  int64_t padded_dim;
  int64_t keys;
  int64_t heads;
  /// Into how many the queries of a head are divided.
  int64_t parts = 1;
};

}  // namespace retentive::retention
