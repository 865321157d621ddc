#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/kernels/quantize.h>

/// Activations of int8 products. They are int8 tensors [..., C] whose storage goes on, after the values, with one float
/// scale per row, so that they pass through `forward` like any other tensor.
namespace retentive::nn::detail {

/// An uninitialised tensor of that kind.
RETENTIVE_API torch::Tensor quantised_empty(at::IntArrayRef sizes);

/// Values and scales of such a tensor. Throws InvalidArgument for any other, and for a part or copy of one.
RETENTIVE_API retention::QuantizedRows quantised_rows(const torch::Tensor& x);

/// The floats that such a tensor stands for. Throws as quantised_rows() does.
RETENTIVE_API torch::Tensor dequantise(const torch::Tensor& x);

/// x [..., C] (float or bf16) quantised per row; x itself when it is so already. Throws Unsupported where no kernel
/// quantises.
RETENTIVE_API torch::Tensor quantise(const torch::Tensor& x);

}  // namespace retentive::nn::detail
