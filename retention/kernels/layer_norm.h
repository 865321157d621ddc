#pragma once

#include <cstdint>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/kernels/isa_list.h>
#include <retention/kernels/quantize.h>

namespace retentive::retention {

/// Layer normalisation of `rows` rows of `channels` values: (x - mean) / sqrt(variance + eps) * weight + bias, with
/// the biased variance and float accumulation. `weight` and `bias` are [channels]. Not `centred`: the mean is taken as
/// 0, which is the root mean square norm.
struct LayerNormProblem {
  int64_t rows = 1;
  int64_t channels = 1;
  float eps = 1e-6f;
  bool centred = true;
};

/// By the definition, in double.
RETENTIVE_API void layer_norm_reference(const LayerNormProblem& problem, const float* x, const float* weight,
                                        const float* bias, float* y);

/// The fastest implementation for this processor: x [rows, channels] -> y [rows, channels], in place allowed for
/// float. Returns false, having done nothing, when no implementation runs here.
RETENTIVE_API bool layer_norm(const LayerNormProblem& problem, const float* x, const float* weight, const float* bias,
                              float* y, int threads);
RETENTIVE_API bool layer_norm(const LayerNormProblem& problem, const float* x, const float* weight, const float* bias,
                              bfloat16* y, int threads);
/// Quantised as quantize_rows does.
RETENTIVE_API bool layer_norm(const LayerNormProblem& problem, const float* x, const float* weight, const float* bias,
                              QuantizedRows y, int threads);

/// Entry points of the instruction sets; callers use the functions above.
#define RETENTIVE_DECLARE(isa)                                                                                         \
  namespace isa {                                                                                                      \
  void layer_norm_f32(const LayerNormProblem&, const float*, const float*, const float*, float*, int threads);         \
  void layer_norm_bf16(const LayerNormProblem&, const float*, const float*, const float*, bfloat16*, int threads);     \
  void layer_norm_int8(const LayerNormProblem&, const float*, const float*, const float*, QuantizedRows, int threads); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
