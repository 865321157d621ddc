#pragma once

#include <cstdint>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/kernels/isa_list.h>
#include <retention/kernels/quantize.h>

namespace retentive::retention {

/// Conditional position encoding and the layer norm that follows it, in one pass over channels-last maps
/// [batch, height, width, channels] (RMT, the start of a block): position = x + conv3x3(x) + bias, y = norm(position).
struct CpeNormProblem {
  int64_t batch = 1;
  int64_t height = 1;
  int64_t width = 1;
  int64_t channels = 1;
  float eps = 1e-6f;
};

/// Parameters of both; float.
struct CpeNormWeights {
  /// From depthwise_pack with add_identity: [9, channels].
  const float* packed = nullptr;
  /// [channels], or null for none.
  const float* bias = nullptr;
  const float* norm_weight = nullptr;  // [channels]
  const float* norm_bias = nullptr;    // [channels]
};

/// By the definition, in double, from unpacked weights without the identity: `conv_weight` is [channels, 3, 3].
RETENTIVE_API void cpe_layer_norm_reference(const CpeNormProblem& problem, const float* x, const float* conv_weight,
                                            const CpeNormWeights& weights, float* position, float* y);

/// The fastest implementation for this processor. `position` must not overlap x. Returns false, having done nothing,
/// when no implementation runs here.
RETENTIVE_API bool cpe_layer_norm(const CpeNormProblem& problem, const float* x, const CpeNormWeights& weights,
                                  float* position, float* y, int threads);
RETENTIVE_API bool cpe_layer_norm(const CpeNormProblem& problem, const float* x, const CpeNormWeights& weights,
                                  float* position, bfloat16* y, int threads);
/// y quantised as quantize_rows does, each token being a row.
RETENTIVE_API bool cpe_layer_norm(const CpeNormProblem& problem, const float* x, const CpeNormWeights& weights,
                                  float* position, QuantizedRows y, int threads);

/// Entry points of the instruction sets; callers use the functions above.
#define RETENTIVE_DECLARE(isa)                                                                                      \
  namespace isa {                                                                                                   \
  void cpe_layer_norm_f32(const CpeNormProblem&, const float*, const CpeNormWeights&, float*, float*, int threads); \
  void cpe_layer_norm_bf16(const CpeNormProblem&, const float*, const CpeNormWeights&, float*, bfloat16*,           \
                           int threads);                                                                            \
  void cpe_layer_norm_int8(const CpeNormProblem&, const float*, const CpeNormWeights&, float*, QuantizedRows,       \
                           int threads);                                                                            \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
