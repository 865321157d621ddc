#include <models/training/trainer.h>

#include <chrono>
#include <cmath>
#include <map>
#include <thread>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <datasets/random.h>
#include <models/checkpoint.h>
#include <models/registry.h>
#include <models/training/ema.h>
#include <models/training/run_lock.h>
#include <models/training/run_log.h>
#include <models/training/task.h>
#include <retention/base/error.h>
#include <retention/base/output_file.h>
#include <retention/ops/memory.h>

namespace retentive::models {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Keeps the draws of a step apart from those of the loader, which derives its own from the same seed.
constexpr uint64_t kStepStream = 0x57e9;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

NamedTensors values_of(const torch::nn::Module& module) {
  auto values = state_dict(module);
  for (auto& [name, tensor] : values) tensor = tensor.detach();
  return values;
}

}  // namespace

class Trainer::Impl {
 public:
  explicit Impl(RunConfig run_config)
      : config(std::move(run_config)),
        task((config.validate(), make_task(config))),
        steps(task->steps_per_epoch()),
        schedule(config.schedule, config.optimizer.lr, steps),
        optimizer(config.optimizer, task->parameter_groups(config.optimizer.layer_decay)),
        generator(at::detail::createCPUGenerator()) {
    task->set_generator(generator);
    if (config.ema.decay > 0) {
      ema.emplace(task->model(), config.ema.decay);
      ema_model = build_uninitialized(task->card().config.value());
    }
  }

  void resume(const ResumeOptions& options);
  TrainResult run(const TrainCallbacks& callbacks, const std::atomic<bool>* stop);

  std::vector<std::string> notes() const { return task->notes(); }

  RunConfig config;

 private:
  fs::path file(const char* name) const { return fs::path(config.run.output_dir) / name; }
  void lock_output();
  void take_configuration(const RunState& state, const ResumeOptions& options);
  void check_data(const RunState& state);
  void prepare_output();
  double train_step();
  bool train_epoch(const TrainCallbacks& callbacks, const std::atomic<bool>* stop, EpochReport& report);
  bool validate_epoch(const std::atomic<bool>* stop, EpochReport& report);
  bool keep_if_best(const Scores& scores, torch::nn::Module& model, bool averaged);
  void save_state();

  PooledTensors pooled;
  std::unique_ptr<TrainingTask> task;
  int64_t steps;  // of an epoch
  Schedule schedule;
  Optimizer optimizer;
  at::Generator generator;
  std::optional<Ema> ema;
  std::shared_ptr<torch::nn::Module> ema_model;
  RunCounters counters;
  std::map<std::string, std::string> data;  // see TrainingTask::data
  std::optional<RunLock> lock;
  bool resumed = false;
};

void Trainer::Impl::lock_output() {
  if (!lock) lock.emplace(config.run.output_dir);
}

// The run's own configuration, with what this call adds.
void Trainer::Impl::take_configuration(const RunState& state, const ResumeOptions& options) {
  const auto path = file("last.state.safetensors").string();
  const auto theirs = parse_run_config(state.config_json, path);
  auto& ours = config.schedule;
  const bool raised = ours.epochs > theirs.schedule.epochs;
  if (ours.extensions.empty()) ours.extensions = theirs.schedule.extensions;
  if (raised && options.epochs == ours.epochs) ours.epochs = theirs.schedule.epochs;
  if (const auto difference = first_difference(config, theirs)) {
    std::string fix = "a run goes on with its own configuration; set it back, or start anew in another output_dir";
    if (raised && difference->name == "schedule.epochs") {
      fix = "to train on to " + difference->left + " epochs give --extend-epochs " + difference->left +
            " (ResumeOptions), with or without --restart-schedule; else set it back";
    }
    throw ConfigError("[train] " + difference->name + " is " + difference->left + " but \"" + path +
                      "\" was written with " + difference->right + "; " + fix);
  }
  const ScheduleExtension wanted{options.epochs, options.restart_schedule};
  const bool repeated = !ours.extensions.empty() && ours.extensions.back() == wanted;  // the same command again
  if (options.epochs != 0 && !repeated) ours.extensions.push_back(wanted);
  schedule = Schedule(ours, config.optimizer.lr, steps);
}

void Trainer::Impl::check_data(const RunState& state) {
  data = task->data();
  for (const auto& [field, print] : data) {
    const auto found = state.data.find(field);
    const auto before = found == state.data.end() ? std::string("nothing") : found->second;
    if (print == before) continue;
    throw DataError("[train] " + field + " is not what the run in \"" + config.run.output_dir +
                    "\" began with: now it has " + print + ", then it had " + before +
                    "; unchanged data are accepted; put them back, or start anew in another output_dir, with "
                    "model.weights to begin from best.safetensors");
  }
}

void Trainer::Impl::resume(const ResumeOptions& options) {
  const auto path = file("last.state.safetensors");
  std::error_code ignored;
  if (fs::is_directory(config.run.output_dir, ignored)) lock_output();
  if (!fs::exists(path, ignored)) {
    throw CheckpointError(
        "[train] \"" + config.run.output_dir +
        "\" holds no last.state.safetensors to go on from; the folder of a run that ended an epoch or "
        "was stopped is accepted; to begin one leave out --resume");
  }
  const auto state = read_run_state(path);
  take_configuration(state, options);
  check_data(state);
  const bool counts_fit = state.counters.step_in_epoch <= steps &&
                          state.counters.step == state.counters.epoch * steps + state.counters.step_in_epoch &&
                          state.counters.step <= schedule.total_steps();
  if (!counts_fit || (ema && state.counters.ema_updates != state.counters.step)) {
    throw CheckpointError("[train] \"" + path.string() + "\" stands at step " + std::to_string(state.counters.step) +
                          " of epochs with " + std::to_string(steps) +
                          " steps; counters that fit the training set are accepted; check that the data is the same");
  }
  Checkpoint weights;
  weights.path = path.string();
  weights.tensors = state.model;
  load_state(task->model(), weights);
  optimizer.load_state(state.optimizer);
  if (ema) ema->restore(state.ema, state.counters.ema_updates);
  counters = state.counters;
  resumed = true;
}

void Trainer::Impl::prepare_output() {
  make_output_folder(config.run.output_dir, "train");
  lock_output();
  const auto state = file("last.state.safetensors");
  if (!resumed && fs::exists(state)) {
    throw StateError("[train] \"" + state.string() +
                     "\" is the state of another run; an output_dir of its own is needed; continue that run with "
                     "--resume, or give another --output");
  }
  write_output(file("config.json"), "train", run_config_json(config) + "\n");
  if (!resumed) data = task->data();
}

double Trainer::Impl::train_step() {
  generator.set_current_seed(
      datasets::derive_seed(static_cast<uint64_t>(config.run.seed), kStepStream, static_cast<uint64_t>(counters.step)));
  optimizer.set_lr(schedule.lr(counters.step));
  optimizer.zero_grad();
  const auto loss = task->next_loss();
  const double value = loss.item<double>();
  if (!std::isfinite(value)) {
    throw StateError("[train] the loss is " + std::to_string(value) + " at step " + std::to_string(counters.step + 1) +
                     " (epoch " + std::to_string(counters.epoch + 1) +
                     "); it must be finite; lower optimizer.lr, lengthen schedule.warmup_epochs or set "
                     "optimizer.clip_grad_norm");
  }
  loss.backward();
  optimizer.step();
  if (ema) ema->update(task->model());
  return value;
}

bool Trainer::Impl::train_epoch(const TrainCallbacks& callbacks, const std::atomic<bool>* stop, EpochReport& report) {
  task->model().train();
  const auto start = Clock::now();
  if (counters.step_in_epoch < steps) task->begin_epoch(counters.epoch, counters.step_in_epoch);
  int64_t done = 0;
  while (counters.step_in_epoch < steps) {
    const double loss = train_step();
    const double lr = schedule.lr(counters.step);
    ++counters.step;
    ++counters.step_in_epoch;
    counters.loss_sum += loss;
    if (ema) counters.ema_updates = ema->updates();
    report.seconds = seconds_since(start);
    const double rate = static_cast<double>(++done) / report.seconds;
    report.items_per_second = rate * static_cast<double>(task->items_per_step());
    report.items = task->items();
    if (callbacks.step) {
      callbacks.step({report.epoch, report.epochs, counters.step_in_epoch, steps, loss, lr, report.items_per_second,
                      report.items, static_cast<double>(schedule.total_steps() - counters.step) / rate});
    }
    if (stop != nullptr && stop->load()) return false;
  }
  report.step = counters.step;
  report.lr = schedule.lr(counters.step - 1);
  report.train_loss = counters.loss_sum / static_cast<double>(steps);
  return true;
}

bool Trainer::Impl::keep_if_best(const Scores& scores, torch::nn::Module& model, bool averaged) {
  auto& best = counters.best;
  if (best.epoch > 0 && !better(scores, best.scores)) return false;
  best = {scores, counters.epoch + 1, averaged};
  auto card = task->card();
  card.name = config.model.name;
  card.license = config.run.license;
  card.source = "retentive train";
  card.notes = "validation " + scores_text(scores) + " on " + task->validation_size() + ", epoch " +
               std::to_string(best.epoch) + " of " + std::to_string(config.schedule.total_epochs()) + ", " +
               (averaged ? "averaged" : "raw") + " weights, seed " + std::to_string(config.run.seed) +
               (config.run.notes.empty() ? "" : "; " + config.run.notes);
  save_checkpoint(file("best.safetensors"), model, card);
  return true;
}

bool Trainer::Impl::validate_epoch(const std::atomic<bool>* stop, EpochReport& report) {
  report.raw = task->validate(task->model(), stop);
  if (ema) {
    ema->copy_to(*ema_model);
    report.ema = task->validate(*ema_model, stop);
  }
  if (stop != nullptr && stop->load()) return false;
  report.best = keep_if_best(report.raw, task->model(), false);
  if (report.ema && keep_if_best(*report.ema, *ema_model, true)) report.best = true;
  return true;
}

void Trainer::Impl::save_state() {
  RunState state;
  state.config_json = run_config_json(config);
  state.counters = counters;
  state.data = data;
  state.model = values_of(task->model());
  if (ema) state.ema = ema->tensors();
  state.optimizer = optimizer.state();
  write_run_state(file("last.state.safetensors"), state);
}

TrainResult Trainer::Impl::run(const TrainCallbacks& callbacks, const std::atomic<bool>* stop) {
  prepare_output();
  const auto epochs = config.schedule.total_epochs();
  const auto note = [&](const std::string& text) {
    if (callbacks.note && !text.empty()) callbacks.note(text);
  };
  note(lock->note());
  if (counters.epoch == epochs) {
    note("the run has all its " + std::to_string(epochs) + " epochs; --extend-epochs trains on");
  }
  const auto threads = config.run.threads > 0 ? config.run.threads : std::thread::hardware_concurrency();
  at::set_num_threads(static_cast<int>(threads));
  RunLog log(file("log.jsonl"), counters.epoch);
  bool going = true;
  while (going && counters.epoch < epochs) {
    EpochReport report;
    report.epoch = counters.epoch + 1;
    report.epochs = epochs;
    going = train_epoch(callbacks, stop, report) && validate_epoch(stop, report);
    if (going) {
      ++counters.epoch;
      counters.step_in_epoch = 0;
      counters.loss_sum = 0;
      log.append(report);
      if (callbacks.epoch) callbacks.epoch(report);
    }
    const bool due = counters.epoch % config.run.save_every == 0 || counters.epoch == epochs;
    going = going && (stop == nullptr || !stop->load());
    if (due || !going) save_state();
  }
  lock.reset();
  return {counters.epoch == epochs, counters, file("best.safetensors"), file("last.state.safetensors")};
}

Trainer::Trainer(RunConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}
Trainer::~Trainer() = default;
void Trainer::resume(const ResumeOptions& options) { impl_->resume(options); }
TrainResult Trainer::run(const TrainCallbacks& callbacks, const std::atomic<bool>* stop) {
  return impl_->run(callbacks, stop);
}
const RunConfig& Trainer::config() const { return impl_->config; }
std::vector<std::string> Trainer::notes() const { return impl_->notes(); }

}  // namespace retentive::models
