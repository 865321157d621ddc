#include <bench/scaling.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include <bench/child.h>
#include <bench/describe.h>
#include <bench/joined.h>
#include <bench/report/analysis.h>
#include <bench/report/format.h>
#include <bench/report/statistics.h>
#include <models/registry.h>
#include <retention/base/enum_names.h>
#include <retention/base/error.h>

namespace retentive::bench {
namespace {

constexpr double kLoadSeconds = 5;  // of a cell, beside its passes
constexpr int kFewestPasses = 4;    // one to warm up and three that count

double memory_of_machine_gb() {
  return static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 30);
}

template <class T>
void need(const std::vector<T>& values, const char* flag) {
  if (values.empty()) throw InvalidArgument(std::string("[bench] ") + flag + " is empty; give at least one");
}

bool reads_text(const std::string& model) {
  return models::kind_of(models::find_model(model).config) == models::ModelKind::language;
}

// Of every model that reads images, or text, in that size: a cell for each form and precision.
template <class Describe>
void plan_size(const ScalingOptions& options, bool text, const Describe& describe, std::vector<Cell>& cells) {
  for (const auto& model : options.models) {
    const auto& config = models::find_model(model).config;
    if (options.training && text != reads_text(model)) continue;
    const auto forms = has_forms(config) ? options.forms : std::vector<Form>{Form::auto_};
    for (const auto form : forms) {
      for (const auto precision : options.precisions) {
        Cell cell{.task = options.training ? "training" : "image",
                  .model = model,
                  .precision = std::string(enum_name(precision)),
                  .batch = options.batch};
        describe(config, form, cell);
        cells.push_back(std::move(cell));
      }
    }
  }
}

std::vector<Cell> planned(const ScalingOptions& options) {
  std::vector<Cell> cells;
  for (const auto& size : options.sizes) {
    const auto describe = [&](const auto& config, Form form, Cell& cell) {
      describe_images(config, size.height, size.width, form, cell);
    };
    plan_size(options, /*text=*/false, describe, cells);
  }
  if (!options.training) return cells;
  for (const auto tokens : options.tokens) {
    const auto describe = [&](const auto& config, Form form, Cell& cell) { describe_text(config, tokens, form, cell); };
    plan_size(options, /*text=*/true, describe, cells);
  }
  return cells;
}

void check(const ScalingOptions& options) {
  need(options.models, "--models");
  need(options.sizes, "--sizes");
  need(options.tokens, "--tokens");
  need(options.forms, "--forms");
  need(options.precisions, "--precision");
  for (const auto& [height, width] : options.sizes) {
    if (height < 1 || width < 1) {
      throw InvalidArgument("[bench] --sizes has " + size_text(height, width) + "; a side is at least 1 pixel");
    }
  }
  for (const auto tokens : options.tokens) {
    if (tokens < 1) throw InvalidArgument("[bench] --tokens has " + std::to_string(tokens) + "; give at least 1");
  }
  if (options.training && options.precisions != std::vector{Precision::fp32}) {
    throw InvalidArgument("[bench] --training is measured in fp32; leave --precision away");
  }
}

bool same_series(const Cell& a, const Cell& b) {
  return a.task == b.task && a.model == b.model && a.form == b.form && a.precision == b.precision && a.batch == b.batch;
}

bool holds(const Results& results, const Cell& cell) {
  return std::ranges::any_of(results.cells, [&](const Cell& there) {
    return same_series(there, cell) && there.height == cell.height && there.width == cell.width &&
           there.tokens == cell.tokens;
  });
}

// Why a cell shall not run; empty if it may.
std::string foretold_fault(const Results& results, const Cell& cell, const ScalingOptions& options) {
  std::vector<const Cell*> series;
  for (const auto& there : results.cells) {
    if (!same_series(there, cell)) continue;
    if (!there.ran()) return "a smaller size was not run: " + there.skipped;
    series.push_back(&there);
  }
  if (series.empty()) return "";
  const auto next = forecast(series, cell);
  const double seconds = kLoadSeconds + kFewestPasses * next.seconds;
  const double gb = (series.back()->loaded_rss_mb + next.working_mb) / 1024;
  if (seconds > options.max_seconds) {
    return format("predicted to take %.0f s, --max-time is %.0f", seconds, options.max_seconds);
  }
  if (gb > options.max_gb) return format("predicted to need %.1f GB, --max-mem is %.1f", gb, options.max_gb);
  return "";
}

std::vector<std::string> arguments_of(const Cell& cell, const ScalingOptions& options) {
  std::vector<std::string> arguments = {"bench",
                                        options.training ? "training" : "latency",
                                        "--json",
                                        "--model",
                                        cell.model,
                                        "--batch",
                                        std::to_string(cell.batch),
                                        "--threads",
                                        std::to_string(options.threads),
                                        "--warmup",
                                        std::to_string(options.warmup),
                                        "--reps",
                                        std::to_string(options.repetitions),
                                        "--budget",
                                        format("%g", options.max_seconds / 4)};
  const auto add = [&](const char* flag, const std::string& value) {
    arguments.insert(arguments.end(), {flag, value});
  };
  if (cell.height > 0) {
    add("--size", size_text(cell.height, cell.width));
  } else {
    add("--tokens", std::to_string(cell.tokens));
  }
  if (!cell.form.empty()) add("--form", cell.form);
  if (!options.training) add("--precision", cell.precision);
  if (!options.training && options.profile) arguments.push_back("--profile");
  return arguments;
}

// The cell, measured in a process of its own, whose ceilings go to `results`; nothing when the user ended both.
std::optional<Cell> measured(const Cell& cell, const ScalingOptions& options, const std::string& program,
                             const std::atomic<bool>& stop, Results& results) {
  const auto run = run_child(program, arguments_of(cell, options), {options.max_seconds, options.max_gb * 1024});
  if (stop.load()) return std::nullopt;
  if (!run.stopped.empty()) {
    auto ended = cell;
    ended.skipped = run.stopped;
    return ended;
  }
  if (run.exit_code != 0) {
    throw StateError("[bench] " + cell.model + " at " + place_of(cell) + " failed with exit code " +
                     std::to_string(run.exit_code) + "; what it said stands above");
  }
  const auto child = parse_results(run.out, "the measurement of " + cell.model);
  for (const auto& [precision, peak] : child.peak_gmacs_per_s) {
    auto& best = results.peak_gmacs_per_s[precision];
    best = std::max(best, peak);
  }
  return child.cells.front();
}

std::string command_of(const ScalingOptions& options) {
  const auto name = [](auto value) { return enum_name(value); };
  const auto number = [](int64_t value) { return std::to_string(value); };
  const bool text = std::ranges::any_of(options.models, reads_text),
             images = !std::ranges::all_of(options.models, reads_text);
  auto command = std::string("retentive bench scaling") + (options.training ? " --training" : "") + " --models " +
                 joined(options.models, [](const auto& model) { return model; });
  if (images)
    command +=
        " --sizes " + joined(options.sizes, [](const ImageSize& size) { return size_text(size.height, size.width); });
  if (text) command += " --tokens " + joined(options.tokens, number);
  return command + " --forms " + joined(options.forms, name) + " --precision " + joined(options.precisions, name) +
         " --batch " + std::to_string(options.batch) + " --threads " + std::to_string(options.threads) + " --warmup " +
         std::to_string(options.warmup) + " --reps " + std::to_string(options.repetitions) +
         format(" --max-time %g --max-mem %.3g", options.max_seconds, options.max_gb) +
         (options.profile ? "" : " --no-profile");
}

}  // namespace

Forecast forecast(const std::vector<const Cell*>& series, const Cell& next) {
  if (series.empty()) return {};
  const auto& last = *series.back();
  const auto size = [](const Cell& c) { return static_cast<double>(c.height > 0 ? c.height * c.width : c.tokens); };
  const double growth = size(next) / size(last);
  const auto extended = [&](const auto& value) {
    double power = 1;
    if (series.size() > 1) {
      const auto& previous = *series[series.size() - 2];
      const double ratio = std::log(size(last) / size(previous));
      if (ratio > 0 && value(previous) > 0) power = std::max(1.0, std::log(value(last) / value(previous)) / ratio);
    }
    return value(last) * std::pow(growth, power);
  };
  return {.seconds = extended([](const Cell& cell) { return percentile(cell.times_ms, 0.5) / 1e3; }),
          .working_mb = extended(working_mb)};
}

Results measure_scaling(const ScalingOptions& asked, const std::string& program, Results begun,
                        const std::function<void(const Results&, const Cell&)>& sink, const std::atomic<bool>& stop) {
  check(asked);
  auto options = asked;
  std::ranges::sort(options.sizes, {}, [](const ImageSize& size) { return size.height * size.width; });
  std::ranges::sort(options.tokens);
  if (options.threads == 0) options.threads = static_cast<int>(describe_machine().cores);
  if (options.max_gb == 0) options.max_gb = 0.8 * memory_of_machine_gb();
  const auto cells = planned(options);
  auto results = new_results(command_of(options), options.threads);
  results.read_gb_per_s = read_bandwidth_gb_per_s(options.threads);
  results.cells = std::move(begun.cells);
  results.peak_gmacs_per_s = std::move(begun.peak_gmacs_per_s);
  for (const auto& cell : cells) {
    if (stop.load()) break;
    if (holds(results, cell)) continue;
    std::optional<Cell> done = cell;
    done->skipped = foretold_fault(results, cell, options);
    if (done->ran()) done = measured(cell, options, program, stop, results);
    if (!done) break;
    results.cells.push_back(*done);
    if (sink) sink(results, *done);
  }
  return results;
}

}  // namespace retentive::bench
