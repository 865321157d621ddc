#pragma once

// How the causal kernels divide their work and workspace; private to them. Everything has internal linkage: this is
// compiled for several instruction sets.

#include <cstdint>

#include <retention/base/retention_cost.h>
#include <retention/kernels/causal_reference.h>

namespace retentive::retention {
namespace {

// The widest vector of any instruction set.
constexpr int64_t kCausalLanes = 16;

constexpr int64_t causal_round_up(int64_t value) { return (value + kCausalLanes - 1) / kCausalLanes * kCausalLanes; }

// Offsets into the workspace of a thread, in floats, for tiles of `chunk` tokens.
struct CausalScratch {
  int64_t chunk;
  int64_t queries, keys, update, values, scores, state, words, powers, keyed, carried, inner, sums, floats;

  CausalScratch(int64_t key_dim, int64_t value_dim, int64_t tokens) : chunk(causal_round_up(tokens)) {
    const int64_t keys_padded = causal_round_up(key_dim) + 1, values_padded = causal_round_up(value_dim);
    int64_t end = 0;
    const auto take = [&](int64_t size) {
      const int64_t at = end;
      end += causal_round_up(size);
      return at;
    };
    queries = take(chunk * keys_padded);
    keys = take(chunk * keys_padded);
    update = take((chunk + 1) * keys_padded);
    values = take(3 * (chunk + 1) * kCausalLanes);
    scores = take((chunk + 1) * chunk);
    state = take(keys_padded * values_padded);
    words = take(keys_padded * values_padded);
    sums = take((chunk + 1) * values_padded);
    powers = take(2 * chunk + 2);
    keyed = take(chunk + 2);
    carried = take(chunk + 2);
    inner = take(2 * (chunk + kCausalLanes));
    floats = end;
  }
};

// Floats of workspace that a thread needs for gradients, whose states lie one way and the other; p.chunk is settled.
inline int64_t causal_backward_floats(const CausalProblem& p) {
  const int64_t there = CausalScratch(p.key_dim, p.value_dim, p.chunk).floats;
  const int64_t back = CausalScratch(p.value_dim, p.key_dim, p.chunk).floats;
  return there < back ? back : there;
}

}  // namespace
}  // namespace retentive::retention
