#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <torch/torch.h>

#include <models/state_dict.h>
#include <retention/base/enum_names.h>
#include <retention/base/export.h>
#include <vision/backbone.h>

namespace retentive::models {

enum class OptimizerKind { adamw, sgd };

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::adamw;
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double momentum = 0.9;
  double weight_decay = 0.05;
  double layer_decay = 1.0;
  double backbone_scale = 1.0;
  double clip_grad_norm = 0;

  /// Calls f(name, member, help) for every field, in order.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("kind", self.kind, "update rule");
    f("lr", self.lr, "largest learning rate, reached after the warm-up");
    f("betas", self.betas, "adamw: decay of the first and second moment");
    f("eps", self.eps, "adamw: added to the root of the second moment");
    f("momentum", self.momentum, "sgd: momentum");
    f("weight_decay", self.weight_decay,
      "adamw: decoupled, sgd: added to the gradient; never for biases and one-dimensional parameters");
    f("layer_decay", self.layer_decay, "learning-rate factor from one layer to the one below, for fine-tuning");
    f("backbone_scale", self.backbone_scale, "detectors: learning-rate factor of the backbone");
    f("clip_grad_norm", self.clip_grad_norm, "largest norm of all gradients together; 0 = no clipping");
  }

  /// Throws ConfigError naming the first field that is out of range.
  RETENTIVE_API void validate() const;
};

/// AdamW or SGD over the parameter groups of a model.
class RETENTIVE_API Optimizer {
 public:
  /// Groups keep their lr_scale; a group without weight decay gets none. Throws ConfigError.
  Optimizer(const OptimizerConfig& config, std::vector<vision::ParameterGroup> groups);
  ~Optimizer();

  /// Sets the rate of every group to `lr` times its lr_scale.
  void set_lr(double lr);

  void zero_grad();

  /// Clips when asked to, then updates every parameter that has a gradient. Returns the norm of all gradients before
  /// clipping, or 0 without clipping. Throws StateError when that norm is not finite.
  double step();

  /// Moments and step counts as named tensors `<parameter>.<slot>`: references, to be written at once.
  NamedTensors state() const;

  /// Takes back what state() gave. Throws CheckpointError when a name or shape does not belong to the parameters.
  void load_state(const NamedTensors& tensors);

  const std::vector<vision::ParameterGroup>& groups() const { return groups_; }
  /// Learning rate and weight decay that group `index` uses now.
  std::pair<double, double> group_options(size_t index) const;

 private:
  OptimizerConfig config_;
  std::vector<vision::ParameterGroup> groups_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

}  // namespace retentive::models

template <>
struct retentive::EnumNames<retentive::models::OptimizerKind> {
  using Kind = retentive::models::OptimizerKind;
  static constexpr std::array<std::pair<Kind, std::string_view>, 2> table = {
      {{Kind::adamw, "adamw"}, {Kind::sgd, "sgd"}}};
};
