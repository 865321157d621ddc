#pragma once

#include <cstdint>

#include <retention/base/export.h>
#include <retention/kernels/causal_reference.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

/// Bytes of workspace that retention_backward needs; they do not depend on the number of tokens.
RETENTIVE_API int64_t retention_backward_workspace_bytes(const CausalProblem& problem, int threads);

/// Gradient of retention_parallel, _chunkwise and _recurrent, which compute the same function, by the fastest
/// implementation for this processor. Each gradient is itself a retention, worked on in chunks:
///   dq from queries dout, keys v and values k;  dv backwards in time from queries k, keys q and values dout;
///   dk backwards in time from queries v, keys dout and values q.
/// The states are computed again, never stored. `workspace` has the bytes stated above and is aligned to 64; nothing
/// written may overlap anything read, nor dinitial dlast. Tokens outside of the sequences are not touched. The result
/// does not depend on `threads`. Returns false, having done nothing, when no implementation runs here.
RETENTIVE_API bool retention_backward(const CausalProblem& problem, const CausalGradients<float>& gradients,
                                      void* workspace, int threads);

/// One call of the kernel, as its entry points take it.
struct CausalBackwardCall {
  CausalProblem problem;
  CausalGradients<float> gradients;
  float* workspace;
  int threads;
};

/// Entry points of the instruction sets; callers use the function above.
#define RETENTIVE_DECLARE(isa)                     \
  namespace isa {                                  \
  void causal_backward(const CausalBackwardCall&); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
