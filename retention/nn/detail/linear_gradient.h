#pragma once

#include <vector>

#include <torch/torch.h>

namespace retentive::nn::detail {

/// x W^T + b for each W [out_i, in] of `weights` and b [out_i] of `biases`, which may be empty: x [..., in] ->
/// [..., out_i] each. Differentiable any number of times; in float32 on the CPU by oneDNN, whose products beat those
/// of LibTorch's library on processors that this library does not know.
std::vector<torch::Tensor> linear_maps(const torch::Tensor& x, const std::vector<torch::Tensor>& weights,
                                       const std::vector<torch::Tensor>& biases);

}  // namespace retentive::nn::detail
