#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include <retention/base/decay_mode.h>
#include <retention/base/export.h>

namespace retentive {

/// Manhattan self-attention over a grid (RMT, equation 5), differentiable in q, k and v.
///
/// @param q, k, v    [B, H, W, N, D], not rotated, of one floating dtype; D even
/// @param log_gamma  [N] float32, natural logarithms of the decay rates
/// @param angle      [D] float32 rotary angles (kernels/decay.h, rotary_angles)
/// @param k_scale    factor on k, usually D^-0.5
/// @return           [B, H, W, N, D] in the dtype of q; scores and softmax are at least float32
/// @throws InvalidArgument when shapes or dtypes do not fit together
RETENTIVE_API at::Tensor masa(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              const at::Tensor& log_gamma, const at::Tensor& angle, double k_scale,
                              DecayMode mode = DecayMode::release);

/// Decomposed Manhattan self-attention (RMT, equation 7): attention along rows (width), then along columns (height)
/// on the result. Arguments, result and errors as for `masa`.
RETENTIVE_API at::Tensor masa_decomposed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                         const at::Tensor& log_gamma, const at::Tensor& angle, double k_scale,
                                         DecayMode mode = DecayMode::release);

/// What masa and masa_decomposed run on for q of type `type`: the name of an instruction set, or "ATen" for the
/// composed form; `reason` receives why better ones were passed over.
RETENTIVE_API std::string masa_implementation(at::ScalarType type, std::string& reason);

}  // namespace retentive
