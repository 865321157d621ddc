#pragma once

#include <ATen/core/Tensor.h>

#include <retention/ops/depthwise.h>

/// The ways in which the operator depthwise_conv is computed; arguments have been checked.
namespace retentive::detail {

struct DepthwiseArguments {
  at::Tensor x, weight, bias;
  at::Tensor addend;  ///< undefined when there is none
  DepthwiseOptions options;
};

/// In ATen operators: differentiable, any dtype.
at::Tensor depthwise_composed(const DepthwiseArguments& arguments);

/// By the kernels; undefined when none takes these arguments.
at::Tensor depthwise_fast(const DepthwiseArguments& arguments);

/// With a graph: kernels in both directions where they run, else composed.
at::Tensor depthwise_with_gradient(const DepthwiseArguments& arguments);

/// Elements from one token of x [B, H, W, C] to the next, or 0 when its tokens do not lie at one distance.
RETENTIVE_API int64_t token_stride(const at::Tensor& x);

}  // namespace retentive::detail
