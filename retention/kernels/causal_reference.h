#pragma once

#include <cstdint>

#include <retention/base/export.h>

namespace retentive::retention {

/// Tokens [begin, end) of one sequence. Padded batches (left or right) and packed ones (cumulative lengths) are both
/// lists of such ranges; an empty range is a sequence without tokens.
struct TokenRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// A tensor [tokens, heads, dim] whose tokens are `stride` elements apart; heads and channels are contiguous.
template <class T>
struct TokenRows {
  T* data = nullptr;
  int64_t stride = 0;
};

/// Sizes and constants of one causal retention call. Per head, with gamma = exp(log_gamma):
///   S_n = gamma S_(n-1) + (scale k_n)^T v_n,  out_n = q_n S_n      (RetNet, equations 1 to 3)
/// without any normalisation; q and k come rotated where the model rotates them. A state is [key_dim, value_dim].
struct CausalProblem {
  int64_t heads = 1;
  int64_t key_dim = 1;
  int64_t value_dim = 1;
  double scale = 1.0;
  const TokenRange* sequences = nullptr;  ///< [sequence_count]
  int64_t sequence_count = 0;
  const float* log_gamma = nullptr;  ///< [heads], each at most 0
  int64_t chunk = 0;                 ///< tokens in a chunk of the chunkwise form; 0 lets the implementation choose
};

/// Inputs and output of one call: q and k with key_dim channels, v and out with value_dim.
template <class T, class Out>
struct CausalTensors {
  TokenRows<const T> q, k, v;
  TokenRows<Out> out;
};

/// States [sequence_count, heads, key_dim, value_dim] before the first and after the last token of each sequence.
/// Without an initial state it is 0; without a last one it is not kept. Both may be the same array.
template <class T>
struct CausalStates {
  const T* initial = nullptr;
  T* last = nullptr;
};

/// What the gradient is taken of and where it goes. dout is the gradient of out, dlast that of the last state (null:
/// 0), dinitial receives that of the initial state (null: not wanted). Scale is part of dk; log_gamma gets none.
template <class T>
struct CausalGradients {
  TokenRows<const T> q, k, v, dout;
  TokenRows<T> dq, dk, dv;
  const T* initial = nullptr;
  const T* dlast = nullptr;
  T* dinitial = nullptr;
};

/// The three forms by their definitions, naive on purpose: they are the truth that every other implementation is
/// tested against. Parallel: each token against all earlier ones of its sequence, with the decay gamma^(n-m).
template <class T>
void retention_parallel_reference(const CausalProblem& problem, const CausalTensors<T, T>& tensors,
                                  const CausalStates<T>& states);
/// Recurrent: the state, token by token.
template <class T>
void retention_recurrent_reference(const CausalProblem& problem, const CausalTensors<T, T>& tensors,
                                   const CausalStates<T>& states);
/// Chunkwise: parallel inside chunks of problem.chunk tokens (0: one chunk), the state from chunk to chunk.
template <class T>
void retention_chunkwise_reference(const CausalProblem& problem, const CausalTensors<T, T>& tensors,
                                   const CausalStates<T>& states);

/// Gradient of retention, any form: q's through the states in order, k's, v's and the initial state's through the
/// gradients of the states in reverse.
template <class T>
void retention_backward_reference(const CausalProblem& problem, const CausalGradients<T>& gradients);

#define RETENTIVE_CAUSAL_REFERENCE(T)                                                                                  \
  extern template RETENTIVE_API void retention_parallel_reference<T>(const CausalProblem&, const CausalTensors<T, T>&, \
                                                                     const CausalStates<T>&);                          \
  extern template RETENTIVE_API void retention_recurrent_reference<T>(                                                 \
      const CausalProblem&, const CausalTensors<T, T>&, const CausalStates<T>&);                                       \
  extern template RETENTIVE_API void retention_chunkwise_reference<T>(                                                 \
      const CausalProblem&, const CausalTensors<T, T>&, const CausalStates<T>&);                                       \
  extern template RETENTIVE_API void retention_backward_reference<T>(const CausalProblem&, const CausalGradients<T>&);
RETENTIVE_CAUSAL_REFERENCE(float)
RETENTIVE_CAUSAL_REFERENCE(double)
#undef RETENTIVE_CAUSAL_REFERENCE

}  // namespace retentive::retention
