#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include <apps/bench_scaling.h>
#include <apps/image_size.h>
#include <bench/child.h>
#include <bench/kernels.h>
#include <bench/language.h>
#include <bench/latency.h>
#include <bench/report/compare.h>
#include <bench/report/tables.h>
#include <bench/training.h>
#include <retention/base/error.h>

namespace retentive::apps {
namespace {

struct LatencyFlags {
  bench::LatencyOptions options;
  std::string size = "224";
  bool profile = false;
  bool json = false;
  bool serve = false;
};

struct KernelFlags {
  std::string filter;
  int threads = 0;
  int repetitions = 200;
  bool json = false;
};

struct TrainingFlags {
  bench::TrainingOptions options;
  std::string size = "224";
  bool json = false;
  bool serve = false;
};

struct LanguageFlags {
  bench::LanguageOptions options;
  bool apart = false;
  bool json = false;
};

struct CompareFlags {
  std::string before;
  std::string after;
  double threshold = 5;
};

template <class Options>
void set_size(const std::string& text, Options& options) {
  const auto size = parse_image_size(text, "--size");
  options.height = size.height;
  options.width = size.width;
}

// Answers lines `run N` on stdin with {"times_ms": [...]}, for comparisons that interleave several programs.
template <class Bench>
int serve(Bench bench) {
  bench::reset_peak_rss();
  const double loaded = bench::rss_mb();
  bench.run(bench.options().warmup);
  std::cout << nlohmann::json{{"ready", true}, {"loaded_rss_mb", loaded}, {"peak_rss_mb", bench::peak_rss_mb()}}
            << std::endl;
  for (std::string word; std::cin >> word;) {
    int repetitions = 0;
    if (word != "run" || !(std::cin >> repetitions) || repetitions < 1) {
      throw InvalidArgument("[bench] --serve takes lines `run N` with N of at least 1");
    }
    const auto times = bench.run(repetitions);
    std::cout << nlohmann::json{{"times_ms", times}, {"peak_rss_mb", bench::peak_rss_mb()}} << std::endl;
  }
  return kSuccess;
}

int print(const bench::Results& results, bool json) {
  std::cout << (json ? bench::results_json(results) + "\n" : bench::results_text(results));
  return kSuccess;
}

int latency(LatencyFlags flags) {
  set_size(flags.size, flags.options);
  if (flags.serve) return serve(bench::LatencyBench(flags.options));
  return print(bench::measure_latency(flags.options, flags.profile), flags.json);
}

// Exit code 1 when a kernel is wrong.
int kernels(const KernelFlags& flags) {
  bool correct = true;
  bench::measure_kernels(flags.filter, flags.threads, flags.repetitions, [&](const bench::KernelResult& result) {
    correct = correct && result.correct;
    std::cout << (flags.json ? bench::kernel_json(result) : bench::kernel_text(result)) << std::endl;
  });
  return correct ? kSuccess : kFailure;
}

int training(TrainingFlags flags) {
  set_size(flags.size, flags.options);
  if (flags.serve) return serve(bench::TrainingBench(flags.options));
  return print(bench::measure_training(flags.options), flags.json);
}

int language(const LanguageFlags& flags) {
  const auto say = [](const std::string& line) { std::cerr << line << "\n"; };
  return print(flags.apart ? bench::measure_language_apart(flags.options, bench::own_program(), say)
                           : bench::measure_language(flags.options, say),
               flags.json);
}

int compare(const CompareFlags& flags) {
  const auto result =
      bench::compare_results(bench::read_results(flags.before), bench::read_results(flags.after), flags.threshold);
  std::cout << result.text;
  return result.loss ? kFailure : kSuccess;
}

// What every measurement of a model takes; `runs` are what is repeated.
template <class Flags>
void add_model_options(CLI::App& app, Flags& flags, const std::string& runs) {
  auto& options = flags.options;
  const auto number = [](int value) { return "; " + std::to_string(value); };
  app.add_option("--model", options.model, "registered model; rmt_t by default");
  app.add_option("--size", flags.size, "image side, or HEIGHTxWIDTH; 224 by default");
  app.add_option("--batch", options.batch, "images at once" + number(static_cast<int>(options.batch)))
      ->check(CLI::Range(1, 4096));
  app.add_option("--threads", options.threads, "threads; default: all cores")->check(CLI::Range(1, 1024));
  app.add_option("--warmup", options.warmup, runs + " before the first that counts" + number(options.warmup))
      ->check(CLI::Range(0, 10'000));
  app.add_option("--reps", options.repetitions, runs + " that count" + number(options.repetitions))
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--budget", options.budget_s,
                 "seconds after which " + runs + " end, at least three are done; 0 = none")
      ->check(CLI::Range(0.0, 1e6));
  auto* json = app.add_flag("--json", flags.json, "one JSON object");
  app.add_flag("--serve", flags.serve, "time " + runs + " when told so: lines `run N` on stdin, answers in JSON")
      ->excludes(json);
}

void add_latency_options(CLI::App& app, LatencyFlags& flags) {
  auto& options = flags.options;
  add_model_options(app, flags, "passes");
  app.add_option("--weights", options.weights, "weights file; default: initial weights from a fixed seed");
  add_enum_option(app, "--precision", options.precision, "number type of the network");
  app.add_option("--instances", options.instances, "models that run at once, each on --threads threads; 1 by default")
      ->check(CLI::Range(1, 256));
  add_enum_option(app, "--form", options.form, "form of a ViR, or of an RMT with causal retention");
  app.add_flag("--profile", flags.profile, "also a table of the time by operation");
}

void add_training_options(CLI::App& app, TrainingFlags& flags) {
  add_model_options(app, flags, "steps");
  app.add_option("--tokens", flags.options.tokens, "tokens of a sequence, for language models; 512")
      ->check(CLI::Range(1, 1 << 24));
  add_enum_option(app, "--form", flags.options.form, "form of a RetNet, a ViR, or an RMT with causal retention");
}

void add_language_options(CLI::App& app, LanguageFlags& flags) {
  auto& options = flags.options;
  app.add_option("--models", options.models, "language models, with commas; retnet_medium by default")->delimiter(',');
  app.add_option("--contexts", options.contexts, "tokens before decoding, with commas; 1024 by default")
      ->delimiter(',');
  add_enum_list(app, "--precision", options.precisions, "number types of the network; fp32 by default");
  app.add_option("--batch", options.batches, "sequences at once, with commas; 1 by default")->delimiter(',');
  app.add_option("--threads", options.threads, "threads; default: all cores")->check(CLI::Range(1, 1024));
  app.add_option("--steps", options.steps, "decoding steps that count; 40")->check(CLI::Range(1, 1'000'000));
  auto* by_token = app.add_flag("--by-token", options.by_token, "also read the prompts token by token");
  app.add_flag("--random-state", options.random_state,
               "begin with states of random values, as long prompts take minutes; steps take as long")
      ->excludes(by_token);
  app.add_flag("--apart", flags.apart, "every case in a process of its own: memory of each, but steps not interleaved");
  app.add_flag("--json", flags.json, "one JSON object");
}

void add_kernel_options(CLI::App& app, KernelFlags& flags) {
  app.add_option("--filter", flags.filter, "only names that contain this");
  app.add_option("--threads", flags.threads, "threads; default: all cores")->check(CLI::Range(1, 1024));
  app.add_option("--reps", flags.repetitions, "calls that count; 200")->check(CLI::Range(1, 1'000'000));
  app.add_flag("--json", flags.json, "one JSON object a line");
}

}  // namespace

Command bench_command() {
  return {"bench", "Measure speed and memory", [](CLI::App& app) -> Action {
            auto latency_flags = std::make_shared<LatencyFlags>();
            auto training_flags = std::make_shared<TrainingFlags>();
            auto kernel_flags = std::make_shared<KernelFlags>();
            auto language_flags = std::make_shared<LanguageFlags>();
            auto compare_flags = std::make_shared<CompareFlags>();
            auto* latency_app = app.add_subcommand("latency", "time forward passes of one model");
            auto* scaling_app = app.add_subcommand("scaling", "how time and memory grow with the size of images");
            auto* language_app = app.add_subcommand("language", "time prompts and decoding of language models");
            auto* training_app = app.add_subcommand("training", "time training steps of one model");
            auto* kernel_app = app.add_subcommand("kernels", "check and time single kernels: MaSA, decoding, boxes");
            auto* report_app = app.add_subcommand("report", "tables, CSV, Markdown and a page of charts from results");
            auto* compare_app = app.add_subcommand("compare", "two results files; exit 1 on a significant loss");
            app.require_subcommand(1);
            add_latency_options(*latency_app, *latency_flags);
            add_language_options(*language_app, *language_flags);
            add_training_options(*training_app, *training_flags);
            add_kernel_options(*kernel_app, *kernel_flags);
            compare_app->add_option("before", compare_flags->before, "result file")->required();
            compare_app->add_option("after", compare_flags->after, "result file")->required();
            compare_app->add_option("--threshold", compare_flags->threshold, "loss in percent that fails; 5")
                ->check(CLI::Range(0.0, 1000.0));
            const auto scaling = set_up_bench_scaling(*scaling_app);
            const auto report = set_up_bench_report(*report_app);
            return [=] {
              if (scaling_app->parsed()) return scaling();
              if (report_app->parsed()) return report();
              if (kernel_app->parsed()) return kernels(*kernel_flags);
              if (compare_app->parsed()) return compare(*compare_flags);
              if (language_app->parsed()) return language(*language_flags);
              return training_app->parsed() ? training(*training_flags) : latency(*latency_flags);
            };
          }};
}

}  // namespace retentive::apps
