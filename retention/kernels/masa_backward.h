#pragma once

#include <cstdint>

#include <retention/base/export.h>
#include <retention/kernels/isa_list.h>
#include <retention/kernels/masa_layout.h>
#include <retention/kernels/masa_reference.h>

namespace retentive::retention {

/// Tensors of a backward call: q, k, v as given to the forward, dout the gradient of its result, and dq, dk, dv the
/// gradients asked for, which are overwritten. dout has strides.out; dq, dk, dv have the strides of q, k, v.
struct MasaGradients {
  MasaStrides strides;
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  const float* log_gamma = nullptr;
  MasaTables tables;
  const float* dout = nullptr;
  float* dq = nullptr;
  float* dk = nullptr;
  float* dv = nullptr;
};

/// Scratch of masa_backward: a few rows of tokens x head_dim per thread, never tokens x tokens.
RETENTIVE_API int64_t masa_backward_workspace_bytes(const MasaProblem& problem, int threads);
RETENTIVE_API int64_t masa_decomposed_backward_workspace_bytes(const MasaProblem& problem, int threads);

/// Gradients of full MaSA with respect to q, k and v; the weights are computed again. Both decay modes, any even
/// head_dim; the bits do not depend on `threads`. `workspace` has masa_backward_workspace_bytes. Returns false, having
/// done nothing, when no implementation runs here.
RETENTIVE_API bool masa_backward(const MasaProblem& problem, const MasaStrides& strides, const float* q, const float* k,
                                 const float* v, const float* log_gamma, const MasaTables& tables, const float* dout,
                                 float* dq, float* dk, float* dv, void* workspace, int threads);

/// The same for decomposed MaSA.
RETENTIVE_API bool masa_decomposed_backward(const MasaProblem& problem, const MasaStrides& strides, const float* q,
                                            const float* k, const float* v, const float* log_gamma,
                                            const MasaTables& tables, const float* dout, float* dq, float* dk,
                                            float* dv, void* workspace, int threads);

/// Entry points of the instruction sets; callers use the functions above.
#define RETENTIVE_DECLARE(isa)                                                                                \
  namespace isa {                                                                                             \
  void masa_backward_f32(const MasaProblem&, const MasaGradients&, float* workspace, int threads);            \
  void masa_decomposed_backward_f32(const MasaProblem&, const MasaGradients&, float* workspace, int threads); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
