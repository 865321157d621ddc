#include <bench/training.h>

#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <bench/describe.h>
#include <bench/repeat.h>
#include <bench/report/format.h>
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

std::string command_of(const TrainingOptions& options, const Cell& cell) {
  std::string command = "retentive bench training --model " + options.model;
  if (cell.height > 0) command += " --size " + size_text(options.height, options.width);
  if (cell.height == 0) command += " --tokens " + std::to_string(options.tokens);
  if (!cell.form.empty()) command += " --form " + cell.form;
  return command + " --batch " + std::to_string(options.batch) + " --threads " + std::to_string(options.threads) +
         " --warmup " + std::to_string(options.warmup) + " --reps " + std::to_string(options.repetitions);
}

}  // namespace

TrainingBench::TrainingBench(const TrainingOptions& options) : options_(options) {
  const auto& row = models::find_model(options.model);
  if (options_.threads > 0) at::set_num_threads(options_.threads);
  options_.threads = at::get_num_threads();
  cell_ = {.task = "training", .model = options.model, .precision = "fp32", .batch = options.batch};
  if (models::kind_of(row.config) == models::ModelKind::language) {
    prepare_text(row);
  } else {
    prepare_images(row);
  }
}

void TrainingBench::prepare_images(const models::ModelRow& row) {
  const auto model = models::build_backbone(row.config, /*seed=*/0);
  model->set_generator(at::detail::createCPUGenerator(2));
  optimizer_ = std::make_unique<models::Optimizer>(recipe(options_.batch), model->parameter_groups(1.0));
  const auto generator = at::detail::createCPUGenerator(1);
  const auto images =
      torch::randn({options_.batch, models::in_channels(row.config), options_.height, options_.width}, generator);
  const auto classes = models::num_classes(row.config);
  if (classes < 2) {
    throw StateError("[bench] " + options_.model + " has " + std::to_string(classes) +
                     " classes; a training step needs at least 2; choose a model with a classifier");
  }
  const auto labels = torch::randint(classes, {options_.batch}, generator, torch::kLong);
  const auto targets = models::smooth_targets(labels, classes, kLabelSmoothing);
  set_form(*model, options_.form);
  describe_images(row.config, options_.height, options_.width, options_.form, cell_);
  next_loss_ = [=] { return models::soft_cross_entropy(model->forward(images), targets); };
}

void TrainingBench::prepare_text(const models::ModelRow& row) {
  const auto model = models::as_language_model(models::build(row.config, /*seed=*/0), options_.model);
  model->set_generator(at::detail::createCPUGenerator(2));
  optimizer_ = std::make_unique<models::Optimizer>(recipe(options_.batch), model->parameter_groups());
  const auto& config = model->config();
  const auto tokens = torch::randint(config.vocab_size, {options_.batch, options_.tokens + 1},
                                     at::detail::createCPUGenerator(1), torch::kLong);
  describe_text(row.config, options_.tokens, options_.form, cell_);
  next_loss_ = [=, length = options_.tokens, form = options_.form] {
    const auto logits = model->forward(tokens.narrow(1, 0, length), nullptr, {.form = form});  // [B, T, V]
    return torch::cross_entropy_loss(logits.flatten(0, 1), tokens.narrow(1, 1, length).flatten());
  };
}

std::vector<double> TrainingBench::run(int repetitions, double budget_s) {
  return time_calls([this] { step(); }, repetitions, budget_s);
}

void TrainingBench::step() {
  optimizer_->zero_grad();
  const auto loss = next_loss_();
  loss.backward();
  optimizer_->step();
  loss_ = loss.item<double>();
  if (!std::isfinite(loss_)) {
    throw StateError("[bench] the loss of " + options_.model + " is " + std::to_string(loss_) +
                     "; no speed is measured of a wrong result; run scripts/test.sh");
  }
}

Results measure_training(const TrainingOptions& options) {
  TrainingBench bench(options);
  auto results = new_results(command_of(bench.options(), bench.cell()), bench.options().threads);
  auto cell = bench.cell();
  cell.pingpong_ns = results.machine.pingpong_ns;
  reset_peak_rss();
  cell.loaded_rss_mb = rss_mb();
  bench.run(options.warmup);
  cell.times_ms = bench.run(options.repetitions, options.budget_s);
  cell.peak_rss_mb = peak_rss_mb();
  results.cells.push_back(std::move(cell));
  return results;
}

}  // namespace retentive::bench
