#include <cstdio>
#include <filesystem>
#include <memory>

#include <apps/command.h>
#include <apps/interrupt.h>
#include <models/model_folder.h>
#include <models/training/progress.h>
#include <models/training/trainer.h>
#include <retention/base/run_files.h>

namespace retentive::apps {
namespace {

struct Flags {
  std::string config;
  std::string output;
  std::vector<std::string> overrides;
  bool resume = false;
  models::ResumeOptions more;
  bool print_config = false;
};

/// Everything that the run writes can be written, and none of it is what the run reads.
void check_files(const Flags& flags, const models::RunConfig& config) {
  RunFiles files("train");
  // A run goes on with the configuration that it wrote itself.
  if (!flags.resume) files.read(flags.config);
  files.read_all(models::model_files(config.model.weights));
  const auto& data = config.data;
  std::error_code ignored;
  for (const auto& path : {data.train, data.train_labels, data.validation, data.validation_labels, data.tokenizer}) {
    if (!std::filesystem::is_directory(path, ignored)) files.read(path);  // folders hold images and texts
  }
  files.write_below("run.output_dir", config.run.output_dir,
                    {"config.json", "log.jsonl", "best.safetensors", "last.state.safetensors"});
  files.check();
}

int train(const Flags& flags) {
  auto config = models::read_run_config(flags.config, flags.overrides);
  if (!flags.output.empty()) config.run.output_dir = flags.output;
  if (flags.print_config) {
    std::printf("%s\n", models::run_config_json(config).c_str());
    return kSuccess;
  }
  check_files(flags, config);
  models::Trainer trainer(config);
  for (const auto& note : trainer.notes()) std::fprintf(stderr, "weights: %s\n", note.c_str());
  if (flags.resume) trainer.resume(flags.more);
  models::ConsoleProgress progress(config.run.log_interval);
  const InterruptScope scope;
  const auto result = trainer.run(progress.callbacks(), &scope.requested());
  if (result.counters.best.epoch > 0) {
    const auto& best = result.counters.best;
    std::printf("best: validation %s at epoch %lld (%s weights): %s\n", models::scores_text(best.scores).c_str(),
                static_cast<long long>(best.epoch), best.ema ? "averaged" : "raw", result.best_path.c_str());
  }
  if (!result.finished) {
    std::fprintf(stderr, "stopped at step %lld; go on with --resume (state: %s)\n",
                 static_cast<long long>(result.counters.step), result.state_path.c_str());
  }
  return kSuccess;
}

}  // namespace

Command train_command() {
  return {"train", "Train or fine-tune a classifier, detector or language model from a run configuration",
          [](CLI::App& app) -> Action {
            auto flags = std::make_shared<Flags>();
            app.add_option("--config", flags->config,
                           "run configuration (JSON), for example configs/digits.json or configs/shakespeare.json")
                ->required();
            app.add_option("--set", flags->overrides, "section.key=value, replaces a value of the configuration")
                ->allow_extra_args(false);
            app.add_option("--output", flags->output, "output folder, in place of run.output_dir");
            auto* resume =
                app.add_flag("--resume", flags->resume, "go on from last.state.safetensors in the output folder");
            auto* extend = app.add_option("--extend-epochs", flags->more.epochs,
                                          "with --resume: train on to N epochs in all, those beyond the configured "
                                          "ones at the last learning rate")
                               ->check(CLI::PositiveNumber)
                               ->needs(resume);
            app.add_flag("--restart-schedule", flags->more.restart_schedule,
                         "with --extend-epochs: the added epochs go through the schedule again, warm-up and all")
                ->needs(extend);
            app.add_flag("--print-config", flags->print_config, "print the complete configuration and stop");
            return Action([flags] { return train(*flags); });
          }};
}

}  // namespace retentive::apps
