#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include <retention/base/enum_names.h>
#include <retention/base/export.h>

namespace retentive::models {

enum class ScheduleKind { cosine, constant };

/// How the learning rate changes over a run.
struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::cosine;
  int64_t epochs = 300;
  double warmup_epochs = 5;
  double min_lr = 1e-5;

  /// Calls f(name, member, help) for every field, in order.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("kind", self.kind, "course of the learning rate after the warm-up");
    f("epochs", self.epochs, "passes over the training set");
    f("warmup_epochs", self.warmup_epochs, "linear warm-up from 0, in epochs; fractions are allowed");
    f("min_lr", self.min_lr, "where the cosine ends");
  }
};

/// Learning rate of every optimizer step. With s steps an epoch, W = round(warmup_epochs s) and T = epochs s:
///   lr(t) = base (t + 1) / W                                              for t < W
///   lr(t) = min_lr + (base - min_lr) (1 + cos(pi (t - W) / (T - W))) / 2  for t >= W (cosine), or base (constant).
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
};

}  // namespace retentive::models

template <>
struct retentive::EnumNames<retentive::models::ScheduleKind> {
  using Kind = retentive::models::ScheduleKind;
  static constexpr std::array<std::pair<Kind, std::string_view>, 2> table = {
      {{Kind::cosine, "cosine"}, {Kind::constant, "constant"}}};
};
