#pragma once

#include <functional>

#include <torch/torch.h>

namespace retentive::vision {

/// fn(x) whose activations are not kept: the backward pass runs fn again with `generator` in the state it had, so
/// that random draws repeat. Gradients reach x and every parameter that fn uses; x must require grad for that.
torch::Tensor grad_checkpoint(const std::function<torch::Tensor(const torch::Tensor&)>& fn, const torch::Tensor& x,
                              at::Generator generator);

}  // namespace retentive::vision
