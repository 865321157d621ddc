#pragma once

#include <ATen/core/Tensor.h>

#include <retention/base/export.h>

namespace retentive {

/// Log decay rates of RMT's heads as float32 [num_heads]; see kernels/decay.h, log_gamma_rmt.
RETENTIVE_API at::Tensor log_gamma_rmt(int64_t num_heads, double initial, double range);

/// Rotary angles as float32 [head_dim]; see kernels/decay.h, rotary_angles.
RETENTIVE_API at::Tensor rotary_angles(int64_t head_dim);

}  // namespace retentive
