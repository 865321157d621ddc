#pragma once

#include <memory>
#include <string>

#include <torch/torch.h>

#include <retention/base/activation.h>
#include <retention/nn/inference.h>
#include <retention/packed/conv2d.h>
#include <retention/packed/linear.h>

namespace retentive::nn::detail {

/// Packs weight [out, in] and bias [out] or undefined, and reports it as `child` of the module in preparation. Where
/// the precision cannot be had, packs fp32 and reports why.
std::shared_ptr<const packed::Linear> pack_linear(Preparation& preparation, const std::string& child,
                                                  const torch::Tensor& weight, const torch::Tensor& bias);
/// As above, in `precision`.
std::shared_ptr<const packed::Linear> pack_linear(Preparation& preparation, const std::string& child,
                                                  const torch::Tensor& weight, const torch::Tensor& bias,
                                                  Precision precision);
std::shared_ptr<const packed::Conv2d> pack_conv(Preparation& preparation, const std::string& child,
                                                const packed::Conv2dShape& shape, const torch::Tensor& weight,
                                                const torch::Tensor& bias);

/// x [..., in] -> [..., out] of `output` (float or bf16); with `residual` [..., out] float, adds to it in place and
/// returns it.
torch::Tensor run_linear(const packed::Linear& linear, const torch::Tensor& x, Activation activation,
                         const torch::Tensor& residual, at::ScalarType output);

/// x [B, H, W, in] -> [B, h, w, out] of `output`.
torch::Tensor run_conv(const packed::Conv2d& conv, const torch::Tensor& x, Activation activation,
                       at::ScalarType output);

}  // namespace retentive::nn::detail
