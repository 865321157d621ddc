#pragma once

#include <cstdint>
#include <vector>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/kernels/causal_reference.h>
#include <retention/kernels/implementation.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

/// What the functions below run on, the name of an instruction set, or null when nothing runs here; better ones that
/// were passed over are appended to `declined`.
RETENTIVE_API const char* causal_implementation(std::vector<Declined>* declined = nullptr);

/// Bytes of workspace that each form needs, for any element type.
RETENTIVE_API int64_t retention_parallel_workspace_bytes(const CausalProblem& problem, int threads);
RETENTIVE_API int64_t retention_chunkwise_workspace_bytes(const CausalProblem& problem, int threads);
RETENTIVE_API int64_t retention_recurrent_workspace_bytes(const CausalProblem& problem, int threads);

/// Causal retention (CausalProblem says what is computed) by the fastest implementation for this processor. T is float
/// or bfloat16, Out is float or T; sums and states are float, and bfloat16 operands are rounded once more where the
/// instruction set multiplies bfloat16: scores, decayed keys, and the state where queries meet it. Tokens outside of
/// the sequences are neither read nor written, and no later token changes an earlier output. Every sequence gets the
/// bits that it gets alone, for any number of threads. `workspace` has the bytes stated above and is aligned to 64; out
/// must not overlap q, k or v. Each returns false, having done nothing, when no implementation runs here.
///
/// Parallel: each token against all earlier ones in tiles of 128 x 128 scores, quadratic in time only.
template <class T, class Out>
bool retention_parallel(const CausalProblem& problem, const CausalTensors<T, Out>& tensors,
                        const CausalStates<float>& states, void* workspace, int threads);
/// Chunkwise: linear in time. Chunks of 1 to 128 tokens are worked on as asked; longer ones, and chunk = 0, in the
/// fastest size, 32 for states of at most 128 x 128 values and 64 for larger ones, which is the same sum.
template <class T, class Out>
bool retention_chunkwise(const CausalProblem& problem, const CausalTensors<T, Out>& tensors,
                         const CausalStates<float>& states, void* workspace, int threads);
/// Recurrent: retention_step token by token, the state in the cache.
template <class T, class Out>
bool retention_recurrent(const CausalProblem& problem, const CausalTensors<T, Out>& tensors,
                         const CausalStates<float>& states, void* workspace, int threads);

/// One token for each of `rows` rows of the tensors, each with a state of its own, states[row] [heads, key_dim,
/// value_dim], which is updated in place: S = gamma S + (scale k)^T v, out = q S. Rows may join and leave between
/// calls. The problem's sequences are not looked at.
template <class T, class Out>
bool retention_step(const CausalProblem& problem, const CausalTensors<T, Out>& tensors, float* const* states,
                    int64_t rows, int threads);

#define RETENTIVE_CAUSAL_FORM(name, T, Out)                                                           \
  extern template RETENTIVE_API bool name<T, Out>(const CausalProblem&, const CausalTensors<T, Out>&, \
                                                  const CausalStates<float>&, void*, int);
#define RETENTIVE_CAUSAL(T, Out)                                                                                \
  RETENTIVE_CAUSAL_FORM(retention_parallel, T, Out)                                                             \
  RETENTIVE_CAUSAL_FORM(retention_chunkwise, T, Out)                                                            \
  RETENTIVE_CAUSAL_FORM(retention_recurrent, T, Out)                                                            \
  extern template RETENTIVE_API bool retention_step<T, Out>(const CausalProblem&, const CausalTensors<T, Out>&, \
                                                            float* const*, int64_t, int);
RETENTIVE_CAUSAL(float, float)
RETENTIVE_CAUSAL(bfloat16, float)
RETENTIVE_CAUSAL(bfloat16, bfloat16)
#undef RETENTIVE_CAUSAL
#undef RETENTIVE_CAUSAL_FORM

/// One call of a kernel, as its entry points take it.
template <class T, class Out>
struct CausalCall {
  CausalProblem problem;
  CausalTensors<T, Out> tensors;
  CausalStates<float> states;
  float* workspace;
  int threads;
};

/// One call of the step.
template <class T, class Out>
struct CausalStepCall {
  CausalProblem problem;
  CausalTensors<T, Out> tensors;
  float* const* states;
  int64_t rows;
  int threads;
};

/// Entry points of the instruction sets; callers use the functions above.
#define RETENTIVE_DECLARE_TYPES(T, Out)             \
  void causal_parallel(const CausalCall<T, Out>&);  \
  void causal_chunkwise(const CausalCall<T, Out>&); \
  void causal_recurrent(const CausalCall<T, Out>&); \
  void causal_step(const CausalStepCall<T, Out>&);
#define RETENTIVE_DECLARE(isa)                \
  namespace isa {                             \
  RETENTIVE_DECLARE_TYPES(float, float)       \
  RETENTIVE_DECLARE_TYPES(bfloat16, float)    \
  RETENTIVE_DECLARE_TYPES(bfloat16, bfloat16) \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE
#undef RETENTIVE_DECLARE_TYPES

}  // namespace retentive::retention
