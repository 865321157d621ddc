#pragma once

#include <cstdint>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/base/form.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

/// One rotation of x [tokens, heads, dim] into y by the phases of each token:
///   (a, b) -> scale (a cos - b sin, a sin + b cos),
/// and with `back` by the opposite phases, which is the gradient of the rotation. Tokens of x and y are `x_stride` and
/// `y_stride` elements apart, heads and channels contiguous. sin and cos are [tokens, dim / 2].
struct RotaryProblem {
  int64_t tokens = 1;
  int64_t heads = 1;
  int64_t dim = 2;  ///< even
  RotaryStyle style = RotaryStyle::interleaved;
  float scale = 1;
  bool back = false;
  int64_t x_stride = 2;
  int64_t y_stride = 2;
  const float* sin = nullptr;
  const float* cos = nullptr;
};

/// By the definition, in double.
RETENTIVE_API void rotary_reference(const RotaryProblem& problem, const float* x, float* y);

/// The fastest implementation for this processor; computed in float, y may be x. Returns false, having done nothing,
/// when no implementation runs here.
RETENTIVE_API bool rotary(const RotaryProblem& problem, const float* x, float* y, int threads);
RETENTIVE_API bool rotary(const RotaryProblem& problem, const bfloat16* x, bfloat16* y, int threads);

/// Entry points of the instruction sets; callers use the functions above.
#define RETENTIVE_DECLARE(isa)                                                     \
  namespace isa {                                                                  \
  void rotary_f32(const RotaryProblem&, const float*, float*, int threads);        \
  void rotary_bf16(const RotaryProblem&, const bfloat16*, bfloat16*, int threads); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
