#pragma once

#include <torch/torch.h>

#include <retention/kernels/quantize.h>

/// Activations of int8 products. They are int8 tensors [..., C] whose storage goes on, after the values, with one float
/// scale per row, so that they pass through `forward` like any other tensor.
namespace retentive::nn::detail {

/// An uninitialised tensor of that kind.
torch::Tensor quantised_empty(at::IntArrayRef sizes);

/// Values and scales of such a tensor.
retention::QuantizedRows quantised_rows(const torch::Tensor& x);

/// x [..., C] (float or bf16) quantised per row; x itself when it is so already. Throws Unsupported where no kernel
/// quantises.
torch::Tensor quantise(const torch::Tensor& x);

}  // namespace retentive::nn::detail
