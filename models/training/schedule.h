#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <retention/base/enum_names.h>
#include <retention/base/export.h>

namespace retentive::models {

enum class ScheduleKind { cosine, constant, step };

/// How the learning rate changes over a run.
struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::cosine;
  int64_t epochs = 300;
  double warmup_epochs = 5;
  double min_lr = 1e-5;
  std::vector<int64_t> steps = {};
  double step_factor = 0.1;

  /// Calls f(name, member, help) for every field, in order.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("kind", self.kind, "course of the learning rate after the warm-up");
    f("epochs", self.epochs, "passes over the training set");
    f("warmup_epochs", self.warmup_epochs, "linear warm-up from 0, in epochs; fractions are allowed");
    f("min_lr", self.min_lr, "where the cosine ends");
    f("steps", self.steps, "step: epochs after which the rate falls, ascending");
    f("step_factor", self.step_factor, "step: factor on the rate at each of them");
  }
};

/// Learning rate of every optimizer step. With s steps an epoch, W = round(warmup_epochs s) and T = epochs s:
///   lr(t) = base (t + 1) / W                                              for t < W
///   lr(t) = min_lr + (base - min_lr) (1 + cos(pi (t - W) / (T - W))) / 2  for t >= W (cosine), or base (constant),
///         or base times step_factor for each of `steps` that is done (step).
class RETENTIVE_API Schedule {
 public:
  /// Throws ConfigError when the warm-up is not shorter than the run or a value is out of range.
  Schedule(const ScheduleConfig& config, double base_lr, int64_t steps_per_epoch);

  /// Rate of step t, 0 <= t; steps from total_steps() on keep the last rate.
  double lr(int64_t step) const;

  int64_t total_steps() const { return total_; }
  int64_t warmup_steps() const { return warmup_; }

 private:
  ScheduleConfig config_;
  double base_lr_;
  int64_t warmup_;
  int64_t total_;
  int64_t steps_per_epoch_;
};

}  // namespace retentive::models

template <>
struct retentive::EnumNames<retentive::models::ScheduleKind> {
  using Kind = retentive::models::ScheduleKind;
  static constexpr std::array<std::pair<Kind, std::string_view>, 3> table = {
      {{Kind::cosine, "cosine"}, {Kind::constant, "constant"}, {Kind::step, "step"}}};
};
