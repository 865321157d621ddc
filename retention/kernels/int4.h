#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <retention/base/export.h>
#include <retention/kernels/implementation.h>
#include <retention/kernels/linear_output.h>

namespace retentive::retention {

/// Inputs that share a scale.
constexpr int64_t kInt4Group = 32;
/// Outputs of a panel.
constexpr int64_t kInt4Panel = 64;
/// Bytes of a group of a panel: a bfloat16 scale for each output, then a code of 4 bits for each weight.
constexpr int64_t kInt4GroupBytes = kInt4Panel * (2 + kInt4Group / 2);

/// What the codes of 4 bits stand for, times the scale of the group, which may be negative. Found by Lloyd's algorithm
/// on groups of normal values, with scales as int4_pack fits them and one level held at 0. The error is 0.073 of the
/// values' size; of evenly spaced levels 0.081, without a search of scales 0.095.
inline constexpr int8_t kInt4Levels[16] = {-124, -92, -71, -54, -39, -26, -13, 0, 10, 21, 33, 47, 61, 79, 100, 127};

/// Weights of a linear map at 4.5 bits each. For each panel and each of its groups, 64 scales; then for each 16 outputs
/// 4 times 64 bytes, byte 4 o + i of the j-th holding output o, input 8 j + i in its low and 8 j + 4 + i in its high
/// half. Groups and panels are padded to their full size.
struct Int4Weights {
  int64_t in = 1;
  int64_t out = 1;
  const uint8_t* values = nullptr;  ///< aligned to 64 bytes

  int64_t groups() const { return (in + kInt4Group - 1) / kInt4Group; }
  int64_t panels() const { return (out + kInt4Panel - 1) / kInt4Panel; }
  int64_t bytes() const { return panels() * groups() * kInt4GroupBytes; }
};

/// Quantises weight [out, in] into weights.bytes() bytes at `values`: each group's scale is searched for the least
/// squared error. A group with a value that is not finite becomes NaN. The same bits for any number of threads and
/// on every processor.
RETENTIVE_API void int4_pack(const Int4Weights& weights, const float* weight, uint8_t* values, int threads);

/// The weights [out, in] that the codes stand for.
RETENTIVE_API void int4_unpack(const Int4Weights& weights, float* weight);

struct Int4Problem {
  int64_t rows = 1;
  Int4Weights weights;
};

/// Bytes of scratch of one call, aligned to 64.
RETENTIVE_API int64_t int4_scratch(const Int4Problem& problem);

/// y = x W^T + ..., x [rows, in] being rounded to int8 by groups with a scale each, products summed exactly within a
/// group and in float over the groups in order: a row's result depends neither on the other rows nor on the threads.
using Int4Linear = void (*)(const Int4Problem& problem, const float* x, const LinearOutput& y, void* scratch,
                            int threads);

/// The fastest implementation for this processor, or null; those passed over are appended to `declined`.
RETENTIVE_API Int4Linear int4_linear(std::vector<Declined>* declined = nullptr);

/// By the definition, in double, with x as it is.
RETENTIVE_API void int4_linear_reference(const Int4Problem& problem, const float* x, float* y);

/// Entry points of the instruction sets; callers use the function above.
#define RETENTIVE_DECLARE(isa)                                                                     \
  namespace isa {                                                                                  \
  void int4_pack_any(const Int4Weights&, const float*, uint8_t*, int threads);                     \
  void int4_linear_any(const Int4Problem&, const float*, const LinearOutput&, void*, int threads); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
