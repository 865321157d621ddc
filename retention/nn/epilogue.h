#pragma once

#include <torch/torch.h>

#include <retention/base/activation.h>
#include <retention/nn/drop_path.h>

namespace retentive::nn {

/// What follows an affine map in the same call: y = residual + drop_path(dropout(scale * activation(W x + b))); parts
/// that are not given drop out. A prepared leaf writes into `residual` and returns it; its scale has been folded.
struct Epilogue {
  Activation activation = Activation::none;
  torch::Tensor residual = {};
  torch::Tensor scale = {};
  Dropout dropout{nullptr};
  DropPath drop_path{nullptr};
};

/// activation(x).
torch::Tensor activate(const torch::Tensor& x, Activation activation);

/// The epilogue in ATen operators.
torch::Tensor apply_epilogue(torch::Tensor y, const Epilogue& epilogue);

}  // namespace retentive::nn
