#include <models/training/optimizer.h>

#include <cmath>
#include <map>
#include <sstream>

#include <retention/base/error.h>

namespace retentive::models {
namespace {

using torch::optim::AdamWOptions;
using torch::optim::AdamWParamState;
using torch::optim::OptimizerOptions;
using torch::optim::SGDOptions;
using torch::optim::SGDParamState;

void require(bool ok, const char* field, double value, const char* accepted) {
  if (ok) return;
  std::ostringstream text;
  text << "[optimizer] " << field << " is " << value << "; accepted: " << accepted << "; set optimizer." << field;
  throw ConfigError(text.str());
}

std::unique_ptr<torch::optim::Optimizer> make_optimizer(const OptimizerConfig& config,
                                                        const std::vector<vision::ParameterGroup>& groups) {
  std::vector<torch::optim::OptimizerParamGroup> torch_groups;
  for (const auto& group : groups) torch_groups.emplace_back(group.parameters);
  if (config.kind == OptimizerKind::sgd) {
    return std::make_unique<torch::optim::SGD>(torch_groups, SGDOptions(config.lr).momentum(config.momentum));
  }
  const auto options = AdamWOptions(config.lr).betas({config.betas[0], config.betas[1]}).eps(config.eps);
  return std::make_unique<torch::optim::AdamW>(torch_groups, options);
}

// Options given to a group are replaced by the defaults where they look unset, so they are written after construction.
void set_weight_decay(OptimizerOptions& options, OptimizerKind kind, double value) {
  if (kind == OptimizerKind::sgd) {
    static_cast<SGDOptions&>(options).weight_decay(value);
  } else {
    static_cast<AdamWOptions&>(options).weight_decay(value);
  }
}

double weight_decay_of(const OptimizerOptions& options, OptimizerKind kind) {
  return kind == OptimizerKind::sgd ? static_cast<const SGDOptions&>(options).weight_decay()
                                    : static_cast<const AdamWOptions&>(options).weight_decay();
}

using ParameterStates = ska::flat_hash_map<void*, std::unique_ptr<torch::optim::OptimizerParamState>>;

// What at::_fused_adamw_ takes of one group.
struct AdamWLists {
  std::vector<torch::Tensor> parameters, gradients, averages, squares, steps;

  void add(const torch::Tensor& parameter, AdamWParamState& state) {
    // The update walks memory, so that all tensors need the layout of the parameter.
    const auto& gradient = parameter.grad();
    const bool same = gradient.strides() == parameter.strides();
    parameters.push_back(parameter);
    gradients.push_back(same ? gradient : torch::empty_like(parameter).copy_(gradient));
    averages.push_back(state.exp_avg());
    squares.push_back(state.exp_avg_sq());
    steps.push_back(torch::full({}, static_cast<float>(state.step())));
  }
};

AdamWParamState& adamw_state(ParameterStates& states, const torch::Tensor& parameter) {
  auto& state = states[parameter.unsafeGetTensorImpl()];
  if (!state) {
    auto fresh = std::make_unique<AdamWParamState>();
    fresh->exp_avg(torch::zeros_like(parameter));
    fresh->exp_avg_sq(torch::zeros_like(parameter));
    state = std::move(fresh);
  }
  return static_cast<AdamWParamState&>(*state);
}

// The update of torch::optim::AdamW in one pass over memory instead of one for every operator.
void step_adamw(torch::optim::Optimizer& optimizer) {
  const torch::NoGradGuard no_grad;
  for (auto& group : optimizer.param_groups()) {
    const auto& options = static_cast<const AdamWOptions&>(group.options());
    AdamWLists lists;
    for (const auto& parameter : group.params()) {
      if (!parameter.grad().defined()) continue;
      auto& state = adamw_state(optimizer.state(), parameter);
      state.step(state.step() + 1);
      lists.add(parameter, state);
    }
    if (lists.parameters.empty()) continue;
    const auto [beta1, beta2] = options.betas();
    at::_fused_adamw_(lists.parameters, lists.gradients, lists.averages, lists.squares, /*max_exp_avg_sqs=*/{},
                      lists.steps, options.lr(), beta1, beta2, options.weight_decay(), options.eps(),
                      /*amsgrad=*/false, /*maximize=*/false);
  }
}

torch::Tensor take(const std::map<std::string, torch::Tensor>& tensors, const std::string& name,
                   at::IntArrayRef shape) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw CheckpointError("[optimizer] state of \"" + name + "\" is missing; resume from a complete state file");
  }
  if (found->second.sizes() != shape) {
    throw CheckpointError("[optimizer] state of \"" + name +
                          "\" has another shape than its parameter; resume with the configuration that wrote it");
  }
  return found->second.clone();
}

}  // namespace

void OptimizerConfig::validate() const {
  require(std::isfinite(lr) && lr > 0, "lr", lr, "above 0");
  for (const double beta : betas) require(beta >= 0 && beta < 1, "betas", beta, "from 0 to less than 1");
  require(std::isfinite(eps) && eps > 0, "eps", eps, "above 0");
  require(momentum >= 0 && momentum < 1, "momentum", momentum, "from 0 to less than 1");
  require(std::isfinite(weight_decay) && weight_decay >= 0, "weight_decay", weight_decay, "0 or more");
  require(layer_decay > 0 && layer_decay <= 1, "layer_decay", layer_decay, "above 0, at most 1");
  require(backbone_scale > 0 && backbone_scale <= 1000, "backbone_scale", backbone_scale, "above 0, at most 1000");
  require(std::isfinite(clip_grad_norm) && clip_grad_norm >= 0, "clip_grad_norm", clip_grad_norm, "0 or more");
}

Optimizer::Optimizer(const OptimizerConfig& config, std::vector<vision::ParameterGroup> groups)
    : config_(config), groups_(std::move(groups)) {
  config_.validate();
  optimizer_ = make_optimizer(config_, groups_);
  for (size_t i = 0; i < groups_.size(); ++i) {
    set_weight_decay(optimizer_->param_groups()[i].options(), config_.kind,
                     groups_[i].weight_decay ? config_.weight_decay : 0.0);
  }
  set_lr(config_.lr);
}

Optimizer::~Optimizer() = default;

void Optimizer::set_lr(double lr) {
  for (size_t i = 0; i < groups_.size(); ++i) {
    optimizer_->param_groups()[i].options().set_lr(lr * groups_[i].lr_scale);
  }
}

void Optimizer::zero_grad() { optimizer_->zero_grad(); }

double Optimizer::step() {
  double norm = 0;
  if (config_.clip_grad_norm > 0) {
    std::vector<torch::Tensor> parameters;
    for (const auto& group : groups_) {
      parameters.insert(parameters.end(), group.parameters.begin(), group.parameters.end());
    }
    norm = torch::nn::utils::clip_grad_norm_(parameters, config_.clip_grad_norm);
    if (!std::isfinite(norm)) {
      throw StateError("[optimizer] the norm of the gradients is " + std::to_string(norm) +
                       "; it must be finite; lower optimizer.lr");
    }
  }
  config_.kind == OptimizerKind::adamw ? step_adamw(*optimizer_) : static_cast<void>(optimizer_->step());
  return norm;
}

NamedTensors Optimizer::state() const {
  NamedTensors result;
  const auto& states = optimizer_->state();
  for (const auto& group : groups_) {
    for (size_t i = 0; i < group.names.size(); ++i) {
      const auto found = states.find(group.parameters[i].unsafeGetTensorImpl());
      if (found == states.end()) continue;
      const auto& name = group.names[i];
      if (config_.kind == OptimizerKind::sgd) {
        const auto& momentum = static_cast<const SGDParamState&>(*found->second).momentum_buffer();
        if (momentum.defined()) result.push_back({name + ".momentum", momentum});
        continue;
      }
      const auto& adam = static_cast<const AdamWParamState&>(*found->second);
      result.push_back({name + ".step", torch::tensor(adam.step(), torch::kInt64)});
      result.push_back({name + ".exp_avg", adam.exp_avg()});
      result.push_back({name + ".exp_avg_sq", adam.exp_avg_sq()});
    }
  }
  return result;
}

void Optimizer::load_state(const NamedTensors& tensors) {
  std::map<std::string, torch::Tensor> by_name;
  for (const auto& [name, tensor] : tensors) by_name.emplace(name, tensor);
  size_t used = 0;
  auto& states = optimizer_->state();
  states.clear();
  for (const auto& group : groups_) {
    for (size_t i = 0; i < group.names.size(); ++i) {
      const auto& name = group.names[i];
      const auto& parameter = group.parameters[i];
      if (config_.kind == OptimizerKind::sgd) {
        if (!by_name.contains(name + ".momentum")) continue;
        auto state = std::make_unique<SGDParamState>();
        state->momentum_buffer(take(by_name, name + ".momentum", parameter.sizes()));
        states[parameter.unsafeGetTensorImpl()] = std::move(state);
        used += 1;
        continue;
      }
      if (!by_name.contains(name + ".step")) continue;
      auto state = std::make_unique<AdamWParamState>();
      state->step(take(by_name, name + ".step", {}).item<int64_t>());
      state->exp_avg(take(by_name, name + ".exp_avg", parameter.sizes()));
      state->exp_avg_sq(take(by_name, name + ".exp_avg_sq", parameter.sizes()));
      states[parameter.unsafeGetTensorImpl()] = std::move(state);
      used += 3;
    }
  }
  if (used != by_name.size()) {
    throw CheckpointError("[optimizer] " + std::to_string(by_name.size() - used) + " of " +
                          std::to_string(by_name.size()) +
                          " state tensors belong to no parameter; resume with the configuration that wrote them");
  }
}

std::pair<double, double> Optimizer::group_options(size_t index) const {
  const auto& options = optimizer_->param_groups().at(index).options();
  return {options.get_lr(), weight_decay_of(options, config_.kind)};
}

}  // namespace retentive::models
