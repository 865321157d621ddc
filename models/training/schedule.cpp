#include <models/training/schedule.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr int64_t kMaxEpochs = 1'000'000'000;

void check_steps(const ScheduleConfig& config) {
  if (!(config.step_factor > 0) || config.step_factor > 1) {
    throw ConfigError("[schedule] step_factor is " + std::to_string(config.step_factor) +
                      "; more than 0, at most 1; set schedule.step_factor");
  }
  if (config.kind == ScheduleKind::step && config.steps.empty()) {
    throw ConfigError("[schedule] kind is \"step\" without steps; name the epochs in schedule.steps, such as [8, 11]");
  }
  int64_t last = 0;
  for (const int64_t epoch : config.steps) {
    if (epoch <= last || epoch >= config.epochs) {
      throw ConfigError("[schedule] steps holds " + std::to_string(epoch) + " in a run of " +
                        std::to_string(config.epochs) + " epochs; ascending epochs within the run are accepted");
    }
    last = epoch;
  }
}

}  // namespace

Schedule::Schedule(const ScheduleConfig& config, double base_lr, int64_t steps_per_epoch)
    : config_(config), base_lr_(base_lr), steps_per_epoch_(steps_per_epoch) {
  if (config.epochs < 1 || config.total_epochs() > kMaxEpochs) {
    throw ConfigError("[schedule] epochs is " + std::to_string(config.total_epochs()) + "; 1 to " +
                      std::to_string(kMaxEpochs) + " are accepted; set schedule.epochs");
  }
  if (!(config.warmup_epochs >= 0) || config.warmup_epochs >= static_cast<double>(config.epochs)) {
    throw ConfigError("[schedule] warmup_epochs is " + std::to_string(config.warmup_epochs) + " in a run of " +
                      std::to_string(config.epochs) +
                      " epochs; from 0 to less than epochs; lower schedule.warmup_epochs");
  }
  if (!(config.min_lr >= 0) || config.min_lr > base_lr) {
    throw ConfigError("[schedule] min_lr is " + std::to_string(config.min_lr) + " with optimizer.lr " +
                      std::to_string(base_lr) + "; from 0 to optimizer.lr; lower schedule.min_lr");
  }
  check_steps(config);
  if (steps_per_epoch < 1) throw InvalidArgument("[schedule] steps_per_epoch must be at least 1; give more data");
  warmup_ = std::llround(config.warmup_epochs * static_cast<double>(steps_per_epoch));
  first_ = config.epochs * steps_per_epoch;
  int64_t epochs = config.epochs;
  for (const auto& extension : config.extensions) extend(extension, std::exchange(epochs, extension.epochs));
}

void Schedule::extend(const ScheduleExtension& extension, int64_t begin_epoch) {
  if (extension.epochs <= begin_epoch) {
    throw ConfigError("[schedule] a run of " + std::to_string(begin_epoch) + " epochs is to be extended to " +
                      std::to_string(extension.epochs) + "; more epochs in all are accepted; for " +
                      std::to_string(extension.epochs) + " more give " +
                      std::to_string(begin_epoch + std::max<int64_t>(extension.epochs, 1)));
  }
  auto& added = extensions_.emplace_back(Extension{begin_epoch * steps_per_epoch_, nullptr});
  if (!extension.restart) return;
  auto again = config_;
  again.extensions.clear();
  again.epochs = extension.epochs - begin_epoch;
  added.again = std::make_unique<Schedule>(again, base_lr_, steps_per_epoch_);
}

double Schedule::lr(int64_t step) const {
  for (auto extension = extensions_.rbegin(); extension != extensions_.rend(); ++extension) {
    if (step < extension->begin) continue;
    if (extension->again) return extension->again->lr(step - extension->begin);
    step = extension->begin - 1;
  }
  return first_lr(step);
}

double Schedule::first_lr(int64_t step) const {
  const int64_t t = std::min(step, first_ - 1);
  if (t < warmup_) return base_lr_ * static_cast<double>(t + 1) / static_cast<double>(warmup_);
  if (config_.kind == ScheduleKind::constant) return base_lr_;
  if (config_.kind == ScheduleKind::step) {
    const auto done = std::count_if(config_.steps.begin(), config_.steps.end(),
                                    [&](int64_t epoch) { return t >= epoch * steps_per_epoch_; });
    return base_lr_ * std::pow(config_.step_factor, static_cast<double>(done));
  }
  const double done = static_cast<double>(t - warmup_) / static_cast<double>(std::max<int64_t>(first_ - warmup_, 1));
  return config_.min_lr + (base_lr_ - config_.min_lr) * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

}  // namespace retentive::models
