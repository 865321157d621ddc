#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

#include <retention/base/export.h>

namespace retentive {

/// What surrounds the convolution in the same operator: with t = GELU(x) (by erf) when gelu_input, else x,
/// y = conv(t) + bias + t (when add_input) + addend (when given).
struct DepthwiseOptions {
  bool gelu_input = false;
  bool add_input = false;
};

/// Depthwise convolution of channels-last maps, stride 1, zero padding of k / 2; differentiable in every tensor.
/// Keeps x and weight for the gradient, nothing else.
///
/// @param x       [B, H, W, C]; its tokens may lie at a distance, as v inside q, k, v does
/// @param weight  [C, 1, k, k], k odd
/// @param bias    [C]
/// @param addend  [B, H, W, C]
/// @return        [B, H, W, C] in the dtype of x
/// @throws InvalidArgument when shapes or dtypes do not fit together
RETENTIVE_API at::Tensor depthwise_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                        const std::optional<at::Tensor>& addend = {},
                                        const DepthwiseOptions& options = {});

}  // namespace retentive
