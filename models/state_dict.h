#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::models {

/// A tensor with its state_dict key.
struct NamedTensor {
  std::string name;
  torch::Tensor tensor;
};

using NamedTensors = std::vector<NamedTensor>;

/// Parameters and buffers in the order of PyTorch's Python `state_dict()`: for each module its own parameters, its own
/// buffers, then its children in order of registration. The tensors share memory with the module.
/// Throws StateError when the module is prepared for inference.
RETENTIVE_API NamedTensors state_dict(const torch::nn::Module& module);

/// Elements of all parameters that require a gradient.
RETENTIVE_API int64_t count_parameters(const torch::nn::Module& module);

/// The entry of that name, or null. Linear search: build a map for many lookups.
RETENTIVE_API const torch::Tensor* find_tensor(const NamedTensors& tensors, std::string_view name);

}  // namespace retentive::models
