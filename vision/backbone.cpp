#include <cmath>
#include <map>

#include <retention/nn/drop_path.h>
#include <vision/backbone.h>

namespace retentive::vision {

BackboneImpl::~BackboneImpl() = default;

torch::Tensor BackboneImpl::forward(const torch::Tensor& image) { return forward_head(forward_features(image)); }

torch::Tensor BackboneImpl::forward_pooled(const torch::Tensor& image) {
  return forward_head(forward_features(image), /*pre_logits=*/true);
}

bool BackboneImpl::is_decayed(const std::string& name, const torch::Tensor& parameter) const {
  return parameter.dim() > 1 && !name.ends_with(".bias");
}

std::vector<ParameterGroup> BackboneImpl::parameter_groups(double layer_decay) const {
  std::map<std::pair<int64_t, bool>, ParameterGroup> groups;
  for (const auto& item : named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const auto layer = layer_of(item.key());
    const bool decayed = is_decayed(item.key(), item.value());
    auto& group = groups[{layer, decayed}];
    group.names.push_back(item.key());
    group.parameters.push_back(item.value());
    group.lr_scale = std::pow(layer_decay, static_cast<double>(num_layers() - 1 - layer));
    group.weight_decay = decayed;
  }
  std::vector<ParameterGroup> result;
  for (auto& [key, group] : groups) result.push_back(std::move(group));
  return result;
}

void BackboneImpl::set_generator(const at::Generator& generator) {
  for (const auto& module : modules()) {
    if (auto* drop_path = module->as<nn::DropPathImpl>()) drop_path->set_generator(generator);
  }
}

}  // namespace retentive::vision
