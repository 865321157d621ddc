#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <retention/base/enum_names.h>
#include <retention/base/export.h>

namespace retentive::models {

enum class ScheduleKind { cosine, constant, step };

/// Epochs that were added to a run.
struct ScheduleExtension {
  int64_t epochs = 0;
  bool restart = false;

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("epochs", self.epochs, "of the whole run, these included");
    f("restart", self.restart,
      "the course of the learning rate begins again, warm-up and all; else its last rate stays");
  }
  bool operator==(const ScheduleExtension&) const = default;
};

/// How the learning rate changes over a run.
struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::cosine;
  int64_t epochs = 300;
  double warmup_epochs = 5;
  double min_lr = 1e-5;
  std::vector<int64_t> steps = {};
  double step_factor = 0.1;
  std::vector<ScheduleExtension> extensions = {};

  /// Epochs of the run, added ones included.
  int64_t total_epochs() const { return extensions.empty() ? epochs : extensions.back().epochs; }

  /// Calls f(name, member, help) for every field, in order.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("kind", self.kind, "course of the learning rate after the warm-up");
    f("epochs", self.epochs, "passes over the training set");
    f("warmup_epochs", self.warmup_epochs, "linear warm-up from 0, in epochs; fractions are allowed");
    f("min_lr", self.min_lr, "where the cosine ends");
    f("steps", self.steps, "step: epochs after which the rate falls, ascending");
    f("step_factor", self.step_factor, "step: factor on the rate at each of them");
    f("extensions", self.extensions, "epochs added by `train --resume --extend-epochs`");
  }
};

/// Learning rate of every optimizer step. With s steps an epoch, W = round(warmup_epochs s) and T = epochs s:
///   lr(t) = base (t + 1) / W                                              for t < W
///   lr(t) = min_lr + (base - min_lr) (1 + cos(pi (t - W) / (T - W))) / 2  for t >= W (cosine), or base (constant),
///         or base times step_factor for each of `steps` that is done (step).
/// Added epochs keep the rate of the step before them, or restart: a schedule of their own, as long as they are.
class RETENTIVE_API Schedule {
 public:
  /// Throws ConfigError when the warm-up is not shorter than the run or a value is out of range.
  Schedule(const ScheduleConfig& config, double base_lr, int64_t steps_per_epoch);

  /// Rate of step t, 0 <= t; steps from total_steps() on keep the last rate.
  double lr(int64_t step) const;

  int64_t total_steps() const { return config_.total_epochs() * steps_per_epoch_; }
  int64_t warmup_steps() const { return warmup_; }

 private:
  struct Extension {
    int64_t begin;                    // first step
    std::unique_ptr<Schedule> again;  // none: the rate of the step before stays
  };

  double first_lr(int64_t step) const;
  void extend(const ScheduleExtension& extension, int64_t begin_epoch);

  ScheduleConfig config_;
  double base_lr_;
  int64_t warmup_;
  int64_t first_;  // steps before the extensions
  int64_t steps_per_epoch_;
  std::vector<Extension> extensions_;
};

}  // namespace retentive::models

template <>
struct retentive::EnumNames<retentive::models::ScheduleKind> {
  using Kind = retentive::models::ScheduleKind;
  static constexpr std::array<std::pair<Kind, std::string_view>, 3> table = {
      {{Kind::cosine, "cosine"}, {Kind::constant, "constant"}, {Kind::step, "step"}}};
};
