#pragma once

#include <ATen/core/Tensor.h>

#include <retention/base/export.h>

namespace retentive {

/// The norm of each retention head and the gate (RetNet, equation 8): y = x / sqrt(mean(x^2) + eps) * weight * silu(g),
/// the mean over a head's Dv values, in at least float32.
///
/// @param x       [B, T, N, Dv]
/// @param gate    [B, T, N * Dv]
/// @param eps     [B, T, N]: eps s_n makes the norm that of x / sqrt(s_n)
/// @param weight  [Dv] or undefined
/// @return        [B, T, N * Dv] in the dtype of the gate
RETENTIVE_API at::Tensor head_norm_gate(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& eps,
                                        const at::Tensor& weight);

}  // namespace retentive
