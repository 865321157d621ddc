#pragma once

#include <torch/torch.h>

namespace retentive::detail {

/// Gradients of `outputs` for those of `inputs` that want one, undefined for the others; itself differentiable when
/// `again`.
inline torch::autograd::variable_list gradients_of(const torch::autograd::variable_list& outputs,
                                                   const torch::autograd::variable_list& inputs,
                                                   const torch::autograd::variable_list& given, bool again) {
  torch::autograd::variable_list wanted, result(inputs.size());
  for (const auto& input : inputs) {
    if (input.defined() && input.requires_grad()) wanted.push_back(input);
  }
  const auto found = torch::autograd::grad(outputs, wanted, given, std::nullopt, again, /*allow_unused=*/true);
  size_t next = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].defined() && inputs[i].requires_grad()) result[i] = found[next++];
  }
  return result;
}

}  // namespace retentive::detail
