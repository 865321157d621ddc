#pragma once

#include <cstdint>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

/// RMS norm of each head's values, then the gate (RetNet, equation 8):
///   y = x / sqrt(mean over dim of x^2 + eps) [weight] [silu(g)],  silu(g) = g / (1 + exp(-g))
/// x, g and y are [tokens, heads, dim], their tokens `x_stride` and so on elements apart, heads and channels
/// contiguous. Dividing x by a row's own sqrt(s) before the norm is the same as an eps of eps s for that row.
struct HeadNormProblem {
  int64_t tokens = 1;
  int64_t heads = 1;
  int64_t dim = 1;
  float eps = 1e-6f;
  int64_t x_stride = 1;
  int64_t g_stride = 1;
  int64_t y_stride = 1;
  const float* row_eps = nullptr;  ///< [tokens, heads] in place of eps, or null
  const float* weight = nullptr;   ///< [dim], or null for ones
};

/// By the definition, in double; g may be null: no gate.
RETENTIVE_API void head_norm_gate_reference(const HeadNormProblem& problem, const float* x, const float* g, float* y);
/// Its gradient for dy laid out as y: dx as x, dg as g (null where g is), dweight [dim] (null where the weight is).
RETENTIVE_API void head_norm_gate_backward_reference(const HeadNormProblem& problem, const float* x, const float* g,
                                                     const float* dy, float* dx, float* dg, float* dweight);

/// The fastest implementation for this processor, for G and Y float or bfloat16; sums are float, y may be x. Returns
/// false, having done nothing, when no implementation runs here.
template <class G, class Y>
bool head_norm_gate(const HeadNormProblem& problem, const float* x, const G* g, Y* y, int threads);

/// Bytes of workspace that the gradient needs.
RETENTIVE_API int64_t head_norm_gate_backward_workspace_bytes(const HeadNormProblem& problem);
/// The gradient as the reference gives it; dx may be dy where they are laid out alike. `workspace` is aligned to 64.
/// The result does not depend on `threads`.
RETENTIVE_API bool head_norm_gate_backward(const HeadNormProblem& problem, const float* x, const float* g,
                                           const float* dy, float* dx, float* dg, float* dweight, void* workspace,
                                           int threads);

#define RETENTIVE_HEAD_NORM(G, Y) \
  extern template RETENTIVE_API bool head_norm_gate<G, Y>(const HeadNormProblem&, const float*, const G*, Y*, int);
RETENTIVE_HEAD_NORM(float, float)
RETENTIVE_HEAD_NORM(float, bfloat16)
RETENTIVE_HEAD_NORM(bfloat16, float)
RETENTIVE_HEAD_NORM(bfloat16, bfloat16)
#undef RETENTIVE_HEAD_NORM

/// One call of the gradient, as its entry points take it.
struct HeadNormBackwardCall {
  HeadNormProblem problem;
  const float* x;
  const float* g;
  const float* dy;
  float* dx;
  float* dg;
  float* dweight;
  float* workspace;
  int threads;
};

/// Entry points of the instruction sets; callers use the functions above.
#define RETENTIVE_DECLARE(isa)                                                                   \
  namespace isa {                                                                                \
  void head_norm(const HeadNormProblem&, const float*, const float*, float*, int threads);       \
  void head_norm(const HeadNormProblem&, const float*, const float*, bfloat16*, int threads);    \
  void head_norm(const HeadNormProblem&, const float*, const bfloat16*, float*, int threads);    \
  void head_norm(const HeadNormProblem&, const float*, const bfloat16*, bfloat16*, int threads); \
  void head_norm_backward(const HeadNormBackwardCall&);                                          \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
