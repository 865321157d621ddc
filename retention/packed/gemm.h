#pragma once

#include <cstdint>

#include <retention/base/export.h>

namespace retentive::packed {

/// C [rows, columns] = A B over `inner` values; all row-major and compact. Weights that change from call to call, as
/// in training, are not worth packing.
struct GemmShape {
  int64_t rows = 1;
  int64_t columns = 1;
  int64_t inner = 1;
  bool transpose_a = false;  ///< A is stored as [inner, rows]
  bool transpose_b = false;  ///< B is stored as [columns, inner]
};

struct GemmCall {
  bool accumulate = false;  ///< C += A B
  int threads = 1;
};

/// The same bits for the same shape, number of threads and processor.
RETENTIVE_API void gemm(const GemmShape& shape, const float* a, const float* b, float* c, const GemmCall& call);

/// y [rows, out] = x [rows, in] W^T + bias (null: none), with W as it is stored in a model, [out, in].
RETENTIVE_API void affine(int64_t rows, int64_t in, int64_t out, const float* x, const float* weight, const float* bias,
                          float* y, int threads);

}  // namespace retentive::packed
