#pragma once

#include <cstdint>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

/// Rows quantised symmetrically, each by its own largest magnitude: x is about scales[row] * values[row, i] with
/// scale = max|x| / 127 and values rounded to nearest even. A row of zeros has scale 0.
struct QuantizedRows {
  int8_t* values;
  float* scales;
};

/// Rows whose magnitudes stay below this count as zeros: 127 / max|x| must not overflow.
constexpr float kSmallestQuantized = 1e-36f;

struct QuantizeProblem {
  int64_t rows = 1;
  int64_t channels = 1;
};

/// By the definition, in double.
RETENTIVE_API void quantize_rows_reference(const QuantizeProblem& problem, const float* x, QuantizedRows q);

/// The fastest implementation for this processor: x [rows, channels] -> q.values [rows, channels], q.scales [rows].
/// Returns false, having done nothing, when no implementation runs here.
RETENTIVE_API bool quantize_rows(const QuantizeProblem& problem, const float* x, QuantizedRows q, int threads);
RETENTIVE_API bool quantize_rows(const QuantizeProblem& problem, const bfloat16* x, QuantizedRows q, int threads);

/// Entry points of the instruction sets; callers use the functions above.
#define RETENTIVE_DECLARE(isa)                                                                  \
  namespace isa {                                                                               \
  void quantize_rows_f32(const QuantizeProblem&, const float*, QuantizedRows, int threads);     \
  void quantize_rows_bf16(const QuantizeProblem&, const bfloat16*, QuantizedRows, int threads); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
