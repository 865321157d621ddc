#include <bench/language.h>

#include <algorithm>
#include <chrono>

#include <bench/child.h>
#include <bench/joined.h>
#include <models/registry.h>
#include <retention/base/enum_names.h>
#include <retention/base/error.h>
#include <retention/base/weight_bytes.h>
#include <retention/nn/inference.h>
#include <retention/ops/memory.h>

namespace retentive::bench {
namespace {

using Clock = std::chrono::steady_clock;
using torch::Tensor;

constexpr int64_t kSegment = 4096;  // tokens of a prompt that go through the model at a time
constexpr int kWarmup = 3;

double milliseconds(Clock::time_point from) {
  return std::chrono::duration<double, std::milli>(Clock::now() - from).count();
}

Tensor random_tokens(const models::RetnetConfig& config, int64_t rows, int64_t length, uint64_t seed) {
  return torch::randint(0, config.vocab_size, {rows, length}, at::detail::createCPUGenerator(seed), at::kLong);
}

/// One thing that is decoded.
struct Case {
  std::string model;
  Precision precision = Precision::fp32;
  int64_t batch = 1;
  int64_t context = 0;
};

/// Where decoding goes on.
struct Position {
  int64_t batch;
  models::RetentionState state;
};

/// A model in one precision with one state for each batch and length of context.
struct Runner {
  std::string name;
  Precision precision = Precision::fp32;
  std::shared_ptr<models::RetnetImpl> model;
  double weight_bytes = 0;
  std::vector<Position> positions;
};

Runner load(const std::string& name, Precision precision) {
  const auto& row = models::find_model(name);
  Runner runner;
  runner.name = name;
  runner.precision = precision;
  runner.model = models::as_language_model(models::build(row.config, /*seed=*/0), name);
  runner.model->eval();
  const auto& config = runner.model->config();
  const auto table = static_cast<double>(config.vocab_size * config.dim);
  // Of the embedding one row is read; a tied table is read whole as the output projection.
  const auto read = static_cast<double>(models::count_parameters(row.config)) - (config.tie_embeddings ? 0 : table);
  runner.weight_bytes = read * bytes_per_weight(precision) + static_cast<double>(config.dim) * 4;
  nn::prepare_inference(*runner.model, {.precision = precision});
  return runner;
}

void feed(models::RetnetImpl& model, models::RetentionState& state, const Tensor& tokens, int64_t segment) {
  for (int64_t begin = 0; begin < tokens.size(1); begin += segment) {
    const auto end = std::min(begin + segment, tokens.size(1));
    const auto features = model.forward_features(tokens.slice(1, begin, end), &state);
    model.forward_head(features.narrow(1, features.size(1) - 1, 1));
  }
}

// Makes the state after one token one of `context` tokens, as large and of the same types as a prompt leaves it.
void fill_randomly(models::RetentionState& state, int64_t context) {
  auto generator = at::detail::createCPUGenerator(2);
  std::fill(state.positions.begin(), state.positions.end(), context);
  for (auto& layer : state.layers) {
    const bool cache = layer.tensors.size() > 1;
    for (auto& tensor : layer.tensors) {
      if (tensor.dim() == 0) {
        tensor.fill_(context);
        continue;
      }
      if (cache) tensor = large_empty({tensor.size(0), tensor.size(1), context, tensor.size(3)}, tensor.scalar_type());
      tensor.normal_(0, 1, generator);
    }
  }
}

// A cell of one case, without times.
Cell cell_of(const Runner& runner, const std::string& task, const Case& one) {
  const bool retention = runner.model->config().mixer == MixerKind::retention;
  return {.task = task,
          .model = runner.name,
          .mixer = std::string(enum_name(runner.model->config().mixer)),
          .form = !retention         ? ""
                  : task == "decode" ? "recurrent"
                                     : "chunkwise",
          .precision = std::string(enum_name(runner.precision)),
          .batch = one.batch,
          .tokens = one.context};
}

double prompt_ms(Runner& runner, models::RetentionState& state, const Tensor& tokens, int64_t segment) {
  const auto start = Clock::now();
  feed(*runner.model, state, tokens, segment);
  return milliseconds(start);
}

models::RetentionState read_prompt(Runner& runner, const Case& one, bool by_token, std::vector<Cell>& cells) {
  const auto tokens = random_tokens(runner.model->config(), one.batch, one.context, 1);
  auto warm = runner.model->new_state(one.batch);
  feed(*runner.model, warm, tokens.slice(1, 0, std::min<int64_t>(one.context, kSegment)), kSegment);
  reset_peak_rss();
  auto cell = cell_of(runner, "prefill", one);
  cell.loaded_rss_mb = rss_mb();
  auto state = runner.model->new_state(one.batch);
  cell.times_ms = {prompt_ms(runner, state, tokens, kSegment)};
  cell.peak_rss_mb = peak_rss_mb();
  cell.state_mb = static_cast<double>(state.bytes()) / (1 << 20);
  cells.push_back(cell);
  if (by_token) {
    auto again = runner.model->new_state(one.batch);
    cell.form = "recurrent";
    cell.times_ms = {prompt_ms(runner, again, tokens, 1)};
    cells.push_back(cell);
  }
  return state;
}

models::RetentionState random_state(Runner& runner, const Case& one) {
  auto state = runner.model->new_state(one.batch);
  feed(*runner.model, state, random_tokens(runner.model->config(), one.batch, 1, 1), 1);
  fill_randomly(state, one.context);
  return state;
}

// Makes the state that decoding begins with, and the cell of its steps.
Cell begin(Runner& runner, const Case& one, const LanguageOptions& options, std::vector<Cell>& prompts) {
  auto state = options.random_state ? random_state(runner, one) : read_prompt(runner, one, options.by_token, prompts);
  auto cell = cell_of(runner, "decode", one);
  const auto state_bytes = static_cast<double>(state.bytes());
  cell.state_mb = state_bytes / (1 << 20);
  // A state is read and written; of a cache of keys and values each step writes one token only.
  const double moved = cell.mixer == "retention" ? 2 * state_bytes : state_bytes;
  cell.read_gb = (runner.weight_bytes + moved) * 1e-9;
  runner.positions.push_back({one.batch, std::move(state)});
  return cell;
}

double step(Runner& runner, Position& position, uint64_t seed) {
  const auto tokens = random_tokens(runner.model->config(), position.batch, 1, seed);
  const auto start = Clock::now();
  runner.model->forward(tokens, &position.state);
  return milliseconds(start);
}

void check(const LanguageOptions& options) {
  const auto positive = [](const std::vector<int64_t>& values, const char* flag) {
    if (values.empty()) throw InvalidArgument(std::string("[bench] ") + flag + " is empty; give at least one");
    for (const auto value : values) {
      if (value >= 1) continue;
      throw InvalidArgument(std::string("[bench] ") + flag + " has " + std::to_string(value) +
                            "; at least 1 is accepted");
    }
  };
  positive(options.contexts, "--contexts");
  positive(options.batches, "--batch");
  if (options.models.empty() || options.precisions.empty()) {
    throw InvalidArgument("[bench] --models or --precision is empty; give at least one");
  }
}

// Models and number types outermost: each is loaded once.
std::vector<Case> cases_of(const LanguageOptions& options) {
  std::vector<Case> cases;
  for (const auto& model : options.models) {
    for (const auto precision : options.precisions) {
      for (const auto batch : options.batches) {
        for (const auto context : options.contexts) cases.push_back({model, precision, batch, context});
      }
    }
  }
  return cases;
}

std::string text_of(const Case& one) {
  return one.model + " " + std::string(enum_name(one.precision)) + ", batch " + std::to_string(one.batch) +
         ", context of " + std::to_string(one.context) + " tokens";
}

std::vector<std::string> arguments_of(const LanguageOptions& options) {
  const auto number = [](int64_t value) { return std::to_string(value); };
  const auto name = [](Precision precision) { return enum_name(precision); };
  std::vector<std::string> arguments = {"bench",       "language",
                                        "--models",    joined(options.models, [](const auto& model) { return model; }),
                                        "--contexts",  joined(options.contexts, number),
                                        "--precision", joined(options.precisions, name),
                                        "--batch",     joined(options.batches, number),
                                        "--threads",   std::to_string(options.threads),
                                        "--steps",     std::to_string(options.steps)};
  if (options.by_token) arguments.push_back("--by-token");
  if (options.random_state) arguments.push_back("--random-state");
  return arguments;
}

std::string command_of(const LanguageOptions& options) {
  std::string command = "retentive";
  for (const auto& argument : arguments_of(options)) command += " " + argument;
  return command;
}

}  // namespace

Results measure_language(const LanguageOptions& asked, const std::function<void(const std::string&)>& progress) {
  check(asked);
  const auto say = [&](const std::string& line) {
    if (progress) progress(line);
  };
  auto options = asked;
  if (options.threads > 0) at::set_num_threads(options.threads);
  options.threads = at::get_num_threads();
  auto results = new_results(command_of(options), options.threads);
  results.read_gb_per_s = read_bandwidth_gb_per_s(options.threads);
  const c10::InferenceMode inference;
  std::vector<Runner> runners;
  std::vector<Cell> cells;
  for (const auto& one : cases_of(options)) {
    if (runners.empty() || runners.back().name != one.model || runners.back().precision != one.precision) {
      say("preparing " + one.model);
      runners.push_back(load(one.model, one.precision));
    }
    say(text_of(one));
    cells.push_back(begin(runners.back(), one, options, results.cells));
  }
  say("decoding");
  reset_peak_rss();
  const double loaded = rss_mb();
  for (int i = -kWarmup; i < options.steps; ++i) {
    size_t cell = 0;
    for (auto& runner : runners) {
      for (auto& position : runner.positions) {
        const double time = step(runner, position, static_cast<uint64_t>(i + kWarmup));
        if (i >= 0) cells[cell].times_ms.push_back(time);
        ++cell;
      }
    }
  }
  if (cells.size() == 1) {
    cells.front().loaded_rss_mb = loaded;
    cells.front().peak_rss_mb = peak_rss_mb();
  } else {
    for (auto& cell : results.cells) cell.loaded_rss_mb = cell.peak_rss_mb = 0;
  }
  results.cells.insert(results.cells.end(), cells.begin(), cells.end());
  for (auto& cell : results.cells) cell.pingpong_ns = results.machine.pingpong_ns;
  // The machine may have had a slow moment at the start.
  results.read_gb_per_s = std::max(results.read_gb_per_s, read_bandwidth_gb_per_s(options.threads));
  return results;
}

Results measure_language_apart(const LanguageOptions& asked, const std::string& program,
                               const std::function<void(const std::string&)>& progress) {
  check(asked);
  auto options = asked;
  if (options.threads == 0) options.threads = at::get_num_threads();
  auto results = new_results(command_of(options) + " --apart", options.threads);
  for (const auto& one : cases_of(options)) {
    if (progress) progress(text_of(one) + ", in a process of its own");
    auto alone = options;
    alone.models = {one.model};
    alone.precisions = {one.precision};
    alone.batches = {one.batch};
    alone.contexts = {one.context};
    auto arguments = arguments_of(alone);
    arguments.push_back("--json");
    const auto run = run_child(program, arguments, {});
    if (run.exit_code != 0) {
      throw StateError("[bench] " + text_of(one) + " failed with exit code " + std::to_string(run.exit_code) +
                       "; what it said stands above");
    }
    const auto child = parse_results(run.out, "bench language");
    results.cells.insert(results.cells.end(), child.cells.begin(), child.cells.end());
    results.read_gb_per_s = std::max(results.read_gb_per_s, child.read_gb_per_s);
  }
  return results;
}

}  // namespace retentive::bench
