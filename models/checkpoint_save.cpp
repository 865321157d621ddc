#include <algorithm>

#include <models/checkpoint.h>
#include <models/tensor_io.h>

namespace retentive::models {
namespace {

// At most one dimension longer than 1: biases, norms, statistics, decay, angle and the [1, 1, 1, C] layer scale.
bool is_vector(const torch::Tensor& tensor) {
  return std::count_if(tensor.sizes().begin(), tensor.sizes().end(), [](int64_t size) { return size != 1; }) <= 1;
}

torch::Tensor as_saved(const torch::Tensor& tensor, SaveType type) {
  if (!tensor.is_floating_point()) return tensor;
  const bool halve = type == SaveType::bf16 && !is_vector(tensor);
  return tensor.detach().to(halve ? torch::kBFloat16 : torch::kFloat32);
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const NamedTensors& tensors, const ModelCard& card,
                     SaveType type) {
  NamedTensors saved;
  for (const auto& [name, tensor] : tensors) saved.push_back({name, as_saved(tensor, type)});
  write_tensors(path, saved, card_metadata(card));
}

void save_checkpoint(const std::filesystem::path& path, const torch::nn::Module& module, const ModelCard& card,
                     SaveType type) {
  save_checkpoint(path, state_dict(module), card, type);
}

}  // namespace retentive::models
