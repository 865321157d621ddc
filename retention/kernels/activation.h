#pragma once

#include <cstdint>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

/// GELU by its definition with erf, x Phi(x), in double.
RETENTIVE_API void gelu_reference(int64_t count, const float* x, float* y);

/// Its gradient: dx = dy (Phi(x) + x phi(x)), in double.
RETENTIVE_API void gelu_backward_reference(int64_t count, const float* x, const float* dy, float* dx);

/// GELU of `count` values, in place allowed; error below 5e-7 in float, 1e-4 before rounding to bfloat16. Returns
/// false, having done nothing, when no implementation runs here.
RETENTIVE_API bool gelu(int64_t count, const float* x, float* y, int threads);
RETENTIVE_API bool gelu(int64_t count, const bfloat16* x, bfloat16* y, int threads);

/// dx = dy gelu'(x), x being the input of gelu; `dx` may be `dy` or `x`.
RETENTIVE_API bool gelu_backward(int64_t count, const float* x, const float* dy, float* dx, int threads);

/// Entry points of the instruction sets; callers use the functions above.
#define RETENTIVE_DECLARE(isa)                                                      \
  namespace isa {                                                                   \
  void gelu_f32(int64_t, const float*, float*, int threads);                        \
  void gelu_bf16(int64_t, const bfloat16*, bfloat16*, int threads);                 \
  void gelu_backward_f32(int64_t, const float*, const float*, float*, int threads); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
