#include <bench/language.h>

#include <chrono>
#include <sstream>

#include <nlohmann/json.hpp>

#include <models/registry.h>
#include <retention/base/enum_names.h>
#include <retention/base/error.h>
#include <retention/kernels/stream.h>
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

double bytes_per_weight(Precision precision) {
  if (precision == Precision::int4) return 4.5 / 8;
  return precision == Precision::int8 ? 1 : precision == Precision::bf16 ? 2 : 4;
}

Tensor random_tokens(const models::RetnetConfig& config, int64_t rows, int64_t length, uint64_t seed) {
  return torch::randint(0, config.vocab_size, {rows, length}, at::detail::createCPUGenerator(seed), at::kLong);
}

/// A model with one state for each length of context.
struct Runner {
  std::shared_ptr<models::RetnetImpl> model;
  double weight_bytes = 0;
  std::vector<models::RetentionState> states;
};

Runner load(const std::string& name, Precision precision) {
  const auto& row = models::find_model(name);
  Runner runner;
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

models::RetentionState read_prompt(Runner& runner, int64_t context, const LanguageOptions& options,
                                   LanguageCell& cell) {
  const auto tokens = random_tokens(runner.model->config(), options.batch, context, 1);
  if (options.by_token) {
    auto state = runner.model->new_state(options.batch);
    const auto start = Clock::now();
    feed(*runner.model, state, tokens, 1);
    cell.by_token_ms = milliseconds(start);
  }
  auto warm = runner.model->new_state(options.batch);
  feed(*runner.model, warm, tokens.slice(1, 0, std::min<int64_t>(context, kSegment)), kSegment);
  auto state = runner.model->new_state(options.batch);
  const auto start = Clock::now();
  feed(*runner.model, state, tokens, kSegment);
  cell.prefill_ms = milliseconds(start);
  return state;
}

models::RetentionState random_state(Runner& runner, int64_t context, const LanguageOptions& options) {
  auto state = runner.model->new_state(options.batch);
  feed(*runner.model, state, random_tokens(runner.model->config(), options.batch, 1, 1), 1);
  fill_randomly(state, context);
  return state;
}

LanguageCell begin(Runner& runner, const std::string& name, int64_t context, const LanguageOptions& options) {
  LanguageCell cell{.model = name, .context = context};
  const auto& config = runner.model->config();
  auto state =
      options.random_state ? random_state(runner, context, options) : read_prompt(runner, context, options, cell);
  const auto state_bytes = static_cast<double>(state.bytes());
  cell.state_mb = state_bytes / (1 << 20);
  // A state is read and written; of a cache of keys and values each step writes one token only.
  const double moved = config.mixer == MixerKind::retention ? 2 * state_bytes : state_bytes;
  cell.step_gb = (runner.weight_bytes + moved) * 1e-9;
  runner.states.push_back(std::move(state));
  return cell;
}

double step(Runner& runner, models::RetentionState& state, int64_t batch, uint64_t seed) {
  const auto tokens = random_tokens(runner.model->config(), batch, 1, seed);
  const auto start = Clock::now();
  runner.model->forward(tokens, &state);
  return milliseconds(start);
}

void check(const LanguageOptions& options) {
  for (const auto context : options.contexts) {
    if (context >= 1) continue;
    throw InvalidArgument("[bench] a context of " + std::to_string(context) + " tokens; at least 1 is accepted");
  }
}

}  // namespace

LanguageResult measure_language(const LanguageOptions& asked, const std::function<void(const std::string&)>& progress) {
  check(asked);
  const auto say = [&](const std::string& line) {
    if (progress) progress(line);
  };
  LanguageResult result;
  result.options = asked;
  auto& options = result.options;
  if (options.threads > 0) at::set_num_threads(options.threads);
  options.threads = at::get_num_threads();
  result.machine = describe_machine();
  result.read_gb_per_s = retention::read_bandwidth(int64_t{1} << 30, options.threads) * 1e-9;
  const c10::InferenceMode inference;
  std::vector<Runner> runners;
  for (const auto& name : options.models) {
    say("preparing " + name);
    runners.push_back(load(name, options.precision));
    for (const auto context : options.contexts) {
      say(name + ": context of " + std::to_string(context) + " tokens");
      result.cells.push_back(begin(runners.back(), name, context, options));
    }
  }
  say("decoding");
  for (int i = -kWarmup; i < options.steps; ++i) {
    size_t cell = 0;
    for (auto& runner : runners) {
      for (auto& state : runner.states) {
        const double time = step(runner, state, options.batch, static_cast<uint64_t>(i + kWarmup));
        if (i >= 0) result.cells[cell].step_ms.push_back(time);
        ++cell;
      }
    }
  }
  // The machine may have had a slow moment at the start.
  result.read_gb_per_s =
      std::max(result.read_gb_per_s, retention::read_bandwidth(int64_t{1} << 30, options.threads) * 1e-9);
  for (auto& cell : result.cells) cell.step = summarise(cell.step_ms);
  result.peak_rss_mb = peak_rss_mb();
  return result;
}

std::string language_json(const LanguageResult& result) {
  using Json = nlohmann::ordered_json;
  Json cells = Json::array();
  for (const auto& cell : result.cells) {
    cells.push_back({{"model", cell.model},
                     {"context", cell.context},
                     {"prefill_ms", cell.prefill_ms > 0 ? Json(cell.prefill_ms) : Json(nullptr)},
                     {"by_token_ms", cell.by_token_ms > 0 ? Json(cell.by_token_ms) : Json(nullptr)},
                     {"step_median_ms", cell.step.median},
                     {"step_p10_ms", cell.step.p10},
                     {"step_p90_ms", cell.step.p90},
                     {"tokens_per_s", cell.tokens_per_s(result.options.batch)},
                     {"state_mb", cell.state_mb},
                     {"step_gb", cell.step_gb},
                     {"bandwidth_share", result.bandwidth_share(cell)}});
  }
  return Json{{"precision", enum_name(result.options.precision)},
              {"batch", result.options.batch},
              {"random_state", result.options.random_state},
              {"threads", result.options.threads},
              {"read_gb_per_s", result.read_gb_per_s},
              {"peak_rss_mb", result.peak_rss_mb},
              {"cells", cells},
              {"machine",
               {{"cpu", result.machine.cpu},
                {"isa", result.machine.isa},
                {"cores", result.machine.cores},
                {"load", result.machine.load},
                {"pingpong_ns", result.machine.pingpong_ns},
                {"retentive", result.machine.retentive},
                {"libtorch", result.machine.libtorch},
                {"onednn", result.machine.onednn}}}}
      .dump();
}

std::string language_text(const LanguageResult& result) {
  std::ostringstream out;
  char line[200];
  std::snprintf(line, sizeof line, "%s, batch %lld, %d threads; memory read at %.1f GB/s (%s state)\n",
                std::string(enum_name(result.options.precision)).c_str(), static_cast<long long>(result.options.batch),
                result.options.threads, result.read_gb_per_s, cache_state(result.machine.pingpong_ns));
  out << line << "model                context  prefill tok/s  by token  step ms  tokens/s  bandwidth  state MB\n";
  for (const auto& cell : result.cells) {
    const auto tokens = static_cast<double>(cell.context * result.options.batch);
    std::snprintf(line, sizeof line, "%-20s %7lld  %13.0f  %8.0f  %7.2f  %8.1f  %7.0f %%  %8.1f\n", cell.model.c_str(),
                  static_cast<long long>(cell.context), cell.prefill_ms > 0 ? 1e3 * tokens / cell.prefill_ms : 0.0,
                  cell.by_token_ms > 0 ? 1e3 * tokens / cell.by_token_ms : 0.0, cell.step.median,
                  cell.tokens_per_s(result.options.batch), 100 * result.bandwidth_share(cell), cell.state_mb);
    out << line;
  }
  return out.str();
}

}  // namespace retentive::bench
