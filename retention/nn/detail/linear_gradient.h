#pragma once

#include <vector>

#include <torch/torch.h>

namespace retentive::nn::detail {

/// x W^T + b for each pair (W [out_i, in], b [out_i]) of `parameters` = {W_0, b_0, W_1, b_1, ...}: x [..., in] ->
/// [..., out_i] each. Differentiable any number of times; in float32 on the CPU by oneDNN, whose products beat those
/// of LibTorch's library on processors that this library does not know.
std::vector<torch::Tensor> linear_maps(const torch::Tensor& x, const std::vector<torch::Tensor>& parameters);

}  // namespace retentive::nn::detail
