#pragma once

#include <retention/kernels/masa_reference.h>

namespace retentive::retention {

/// Gradients of masa_reference with respect to q, k and v, given that of its result, by the definition; tensors laid
/// out as there. dq, dk and dv are overwritten.
RETENTIVE_API void masa_backward_reference(const MasaProblem& problem, const double* q, const double* k,
                                           const double* v, const float* log_gamma, const float* angle,
                                           const double* dout, double* dq, double* dk, double* dv);

/// The same of masa_decomposed_reference.
RETENTIVE_API void masa_decomposed_backward_reference(const MasaProblem& problem, const double* q, const double* k,
                                                      const double* v, const float* log_gamma, const float* angle,
                                                      const double* dout, double* dq, double* dk, double* dv);

}  // namespace retentive::retention
