#include <bench/training.h>

#include <chrono>
#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <models/registry.h>
#include <models/training/losses.h>
#include <retention/base/error.h>

namespace retentive::bench {
namespace {

constexpr double kLabelSmoothing = 0.1;

// The recipe's rate is 5e-4 for 512 images a step.
models::OptimizerConfig recipe(int64_t batch) {
  models::OptimizerConfig config;
  config.lr = 5e-4 * static_cast<double>(batch) / 512;
  config.weight_decay = 0.05;
  return config;
}

}  // namespace

TrainingBench::TrainingBench(const TrainingOptions& options) : options_(options) {
  const auto& row = models::find_model(options.model);
  if (options_.threads > 0) at::set_num_threads(options_.threads);
  options_.threads = at::get_num_threads();
  model_ = models::build_backbone(row.config, /*seed=*/0);
  model_->set_generator(at::detail::createCPUGenerator(2));
  optimizer_ = std::make_unique<models::Optimizer>(recipe(options.batch), model_->parameter_groups(1.0));
  const auto generator = at::detail::createCPUGenerator(1);
  images_ = torch::randn({options.batch, models::in_channels(row.config), options.height, options.width}, generator);
  const auto classes = models::num_classes(row.config);
  if (classes < 2) {
    throw StateError("[bench] " + options.model + " has " + std::to_string(classes) +
                     " classes; a training step needs at least 2; choose a model with a classifier");
  }
  const auto labels = torch::randint(classes, {options.batch}, generator, torch::kLong);
  targets_ = models::smooth_targets(labels, classes, kLabelSmoothing);
}

std::vector<double> TrainingBench::run(int repetitions) {
  std::vector<double> milliseconds;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    step();
    const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
    milliseconds.push_back(spent.count());
  }
  return milliseconds;
}

void TrainingBench::step() {
  optimizer_->zero_grad();
  const auto loss = models::soft_cross_entropy(model_->forward(images_), targets_);
  loss.backward();
  optimizer_->step();
  loss_ = loss.item<double>();
  if (!std::isfinite(loss_)) {
    throw StateError("[bench] the loss of " + options_.model + " is " + std::to_string(loss_) +
                     "; no speed is measured of a wrong result; run scripts/test.sh");
  }
}

TrainingResult measure_training(const TrainingOptions& options) {
  TrainingBench bench(options);
  TrainingResult result;
  result.options = bench.options();
  result.machine = describe_machine();
  bench.run(options.warmup);
  result.times_ms = bench.run(options.repetitions);
  result.summary = summarise(result.times_ms);
  result.loss = bench.loss();
  result.peak_rss_mb = peak_rss_mb();
  return result;
}

}  // namespace retentive::bench
