#pragma once

#include <ATen/core/Tensor.h>

#include <retention/base/export.h>

namespace retentive {

/// Log decay rates of RMT's heads as float32 [num_heads]; see kernels/decay.h, log_gamma_rmt.
RETENTIVE_API at::Tensor log_gamma_rmt(int64_t num_heads, double initial, double range);

/// Rotary angles as float32 [head_dim]; see kernels/decay.h, rotary_angles.
RETENTIVE_API at::Tensor rotary_angles(int64_t head_dim);

/// Rotary angles of the half-split style as float32 [head_dim]; see kernels/decay.h, rotary_angles_half_split.
RETENTIVE_API at::Tensor rotary_angles_half_split(int64_t head_dim);

/// Log decay rates of the heads [num_heads], float32 or float64; see kernels/decay.h.
RETENTIVE_API at::Tensor log_gamma_retnet(int64_t num_heads, at::ScalarType type = at::kFloat);
RETENTIVE_API at::Tensor log_gamma_log_linspace(int64_t num_heads, at::ScalarType type = at::kFloat);

}  // namespace retentive
