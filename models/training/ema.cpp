#include <models/training/ema.h>

#include <algorithm>
#include <map>
#include <string>

#include <retention/base/error.h>

namespace retentive::models {
namespace {

void require_same(const NamedTensors& average, const NamedTensors& values) {
  const bool same = std::equal(average.begin(), average.end(), values.begin(), values.end(),
                               [](const auto& a, const auto& b) { return a.name == b.name; });
  if (!same) throw InvalidArgument("[ema] the model has other parameters than the averaged one; give a model like it");
}

}  // namespace

Ema::Ema(const torch::nn::Module& model, double decay) : decay_(decay) {
  if (!(decay > 0 && decay < 1)) {
    throw ConfigError("[ema] decay is " + std::to_string(decay) + "; above 0, below 1 (0 = no average); set ema.decay");
  }
  for (const auto& [name, value] : state_dict(model)) average_.push_back({name, value.detach().clone()});
}

double Ema::decay_at(int64_t count) const {
  const auto t = static_cast<double>(count);
  return std::min(decay_, (1 + t) / (10 + t));
}

void Ema::update(const torch::nn::Module& model) {
  const torch::NoGradGuard no_grad;
  const auto values = state_dict(model);
  require_same(average_, values);
  const double weight = 1 - decay_at(updates_);
  for (size_t i = 0; i < values.size(); ++i) {
    auto& average = average_[i].tensor;
    if (average.is_floating_point()) {
      average.lerp_(values[i].tensor, weight);
    } else {
      average.copy_(values[i].tensor);
    }
  }
  ++updates_;
}

void Ema::copy_to(torch::nn::Module& model) const {
  const torch::NoGradGuard no_grad;
  auto values = state_dict(model);
  require_same(average_, values);
  for (size_t i = 0; i < values.size(); ++i) values[i].tensor.copy_(average_[i].tensor);
}

void Ema::restore(const NamedTensors& tensors, int64_t updates) {
  std::map<std::string, torch::Tensor> by_name;
  for (const auto& [name, tensor] : tensors) by_name.emplace(name, tensor);
  for (auto& [name, average] : average_) {
    const auto found = by_name.find(name);
    if (found == by_name.end() || found->second.sizes() != average.sizes()) {
      throw CheckpointError("[ema] the average of \"" + name +
                            "\" is missing or has another shape; resume with the configuration that wrote it");
    }
    average.copy_(found->second);
  }
  updates_ = updates;
}

}  // namespace retentive::models
