#pragma once

#include <retention/ops/retention.h>

namespace retentive::detail {

/// causal_retention() in ATen operators, for any floating dtype, form, ranges and gradients.
RetentionResult retention_composed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const at::Tensor& log_gamma, const RetentionOptions& options);

/// Throws InvalidArgument when the arguments do not fit together.
void check_retention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& log_gamma,
                     const RetentionOptions& options);

/// Whether the kernels take q with these decay rates.
bool retention_has_kernel(const at::Tensor& q, const at::Tensor& log_gamma);

/// causal_retention() by the kernels, with their gradient for float.
RetentionResult retention_fast(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const at::Tensor& log_gamma, const RetentionOptions& options);

/// gamma^(n - m) for m <= n, else 0: [N, T, T] of the dtype of `log_gamma`.
at::Tensor causal_decay_mask(const at::Tensor& log_gamma, int64_t tokens);

}  // namespace retentive::detail
