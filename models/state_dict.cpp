#include <models/state_dict.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>

namespace retentive::models {
namespace {

void append(const torch::nn::Module& module, const std::string& prefix, NamedTensors& out) {
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    if (item.value().defined()) out.push_back({prefix + item.key(), item.value()});
  }
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    if (item.value().defined()) out.push_back({prefix + item.key(), item.value()});
  }
  for (const auto& child : module.named_children()) append(*child.value(), prefix + child.key() + ".", out);
}

}  // namespace

NamedTensors state_dict(const torch::nn::Module& module) {
  if (nn::is_prepared(module)) {
    throw StateError(
        "[state_dict] the model is prepared for inference and has given up its parameters; load it again to save or "
        "train it");
  }
  NamedTensors tensors;
  append(module, "", tensors);
  return tensors;
}

int64_t count_parameters(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const auto& parameter : module.parameters()) {
    if (parameter.requires_grad()) count += parameter.numel();
  }
  return count;
}

const torch::Tensor* find_tensor(const NamedTensors& tensors, std::string_view name) {
  for (const NamedTensor& entry : tensors) {
    if (entry.name == name) return &entry.tensor;
  }
  return nullptr;
}

}  // namespace retentive::models
