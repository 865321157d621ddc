#pragma once

#include <cstdint>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

/// Depthwise convolution of channels-last maps [batch, height, width, channels], stride 1, zero padding of kernel / 2.
struct DepthwiseProblem {
  int64_t batch = 1;
  int64_t height = 1;
  int64_t width = 1;
  int64_t channels = 1;
  /// 3 or 5.
  int64_t kernel = 3;
  /// Values from one token of x to the next; 0 stands for `channels`.
  int64_t x_token_stride = 0;
  /// Convolve GELU(x) (by erf) instead of x.
  bool gelu_input = false;
};

/// What is done to the weights when they are packed.
struct DepthwisePacking {
  /// Adds 1 to the centre tap: x + conv(x).
  bool add_identity = false;
  /// Turns the taps round: the convolution becomes its gradient for the input.
  bool flip = false;
};

/// weight [channels, kernel, kernel] -> packed [kernel * kernel, channels].
RETENTIVE_API void depthwise_pack(int64_t kernel, int64_t channels, const float* weight,
                                  const DepthwisePacking& packing, float* packed);

/// out = conv(x) + bias + addend by the definition, in double. weight is [channels, kernel, kernel] (not packed), bias
/// [channels], out and addend [batch, height, width, channels]; bias and addend may be null.
RETENTIVE_API void depthwise_reference(const DepthwiseProblem& problem, const float* x, const float* weight,
                                       const float* bias, const float* addend, float* out);

/// The fastest implementation for this processor, with weights from depthwise_pack; sums are float. `addend` may be
/// `out`, but `out` must not overlap x. Returns false, having done nothing, when no implementation runs here or the
/// kernel size is not 3 or 5.
RETENTIVE_API bool depthwise(const DepthwiseProblem& problem, const float* x, const float* packed, const float* bias,
                             const float* addend, float* out, int threads);
RETENTIVE_API bool depthwise(const DepthwiseProblem& problem, const bfloat16* x, const float* packed, const float* bias,
                             const bfloat16* addend, bfloat16* out, int threads);

/// Entry points of the instruction sets; callers use the functions above.
#define RETENTIVE_DECLARE(isa)                                                                                \
  namespace isa {                                                                                             \
  void depthwise_f32(const DepthwiseProblem&, const float*, const float*, const float*, const float*, float*, \
                     int threads);                                                                            \
  void depthwise_bf16(const DepthwiseProblem&, const bfloat16*, const float*, const float*, const bfloat16*,  \
                      bfloat16*, int threads);                                                                \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
