#pragma once

#include <cstdint>
#include <vector>

#include <retention/base/export.h>
#include <retention/kernels/implementation.h>
#include <retention/kernels/linear_output.h>

namespace retentive::retention {

/// Outputs of a panel of weights.
constexpr int64_t kPanelWidth = 64;

/// More rows than this are not few: from here on oneDNN's products are as fast in int8, and soon in float.
constexpr int64_t kFewRows = 32;

/// Weights of a linear map in panels of kPanelWidth outputs. Inputs go by words of 32 bits: one float, two bfloat16 or
/// four int8. A panel is [words of the inputs, kPanelWidth] words; inputs and outputs beyond the last are zeros.
struct PanelWeights {
  int64_t in = 1;
  int64_t out = 1;
  int64_t panel_stride = 0;      ///< words from one panel to the next
  const float* words = nullptr;  ///< aligned to 64 bytes
};

/// Scales of an int8 product: one for each row of x, one for each output.
struct Int8Scales {
  const float* rows = nullptr;
  const float* outputs = nullptr;
  const int32_t* compensation = nullptr;  ///< [out]: -128 times the sum of an output's weights
};

struct FewRowsProblem {
  int64_t rows = 1;  ///< at most kFewRows
  PanelWeights weights;
  Int8Scales scales;  ///< int8 only
};

/// Number type of x and the weights.
enum class FewRowsType { f32, bf16, s8 };

/// y = x W^T + ...: the weights are read once, for all rows together. Every output is summed in the order of the
/// inputs, so that a row's result depends neither on the other rows nor on the threads. x is [rows, in].
using FewRows = void (*)(const FewRowsProblem& problem, const void* x, const LinearOutput& y, int threads);

/// The fastest implementation for this processor, or null; those passed over are appended to `declined`.
RETENTIVE_API FewRows few_rows(FewRowsType type, std::vector<Declined>* declined = nullptr);

/// Entry points of the instruction sets; callers use the function above.
#define RETENTIVE_DECLARE(isa)                                                              \
  namespace isa {                                                                           \
  void few_rows_f32(const FewRowsProblem&, const void*, const LinearOutput&, int threads);  \
  void few_rows_bf16(const FewRowsProblem&, const void*, const LinearOutput&, int threads); \
  void few_rows_int8(const FewRowsProblem&, const void*, const LinearOutput&, int threads); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
