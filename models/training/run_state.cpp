#include <models/training/run_state.h>

#include <array>
#include <cmath>
#include <utility>

#include <models/config_json.h>
#include <models/tensor_io.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr const char* kConfigKey = "retentive.run_config";
constexpr const char* kCountersKey = "retentive.run_counters";

template <class State>
auto sections(State& state) {
  return std::array{std::pair{std::string("model."), &state.model}, std::pair{std::string("ema."), &state.ema},
                    std::pair{std::string("optimizer."), &state.optimizer}};
}

RunCounters parse_counters(const std::string& text, const std::string& path) {
  RunCounters counters;
  try {
    read_json_fields(parse_json(text, path), counters, path);
  } catch (const ConfigError& error) {
    throw CheckpointError("[run state] \"" + path + "\" is damaged: " + error.what());
  }
  if (counters.epoch < 0 || counters.step < 0 || counters.step_in_epoch < 0 || counters.ema_updates < 0) {
    throw CheckpointError("[run state] \"" + path +
                          "\" has a negative counter; counters from 0 are accepted; start the run again");
  }
  return counters;
}

}  // namespace

void write_run_state(const std::filesystem::path& path, const RunState& state) {
  NamedTensors all;
  for (const auto& [prefix, tensors] : sections(state)) {
    for (const auto& [name, tensor] : *tensors) all.push_back({prefix + name, tensor.detach()});
  }
  write_tensors(path, all, {{kConfigKey, state.config_json}, {kCountersKey, to_json_value(state.counters).dump()}});
}

RunState read_run_state(const std::filesystem::path& path) {
  const auto file = read_tensors(path);
  const auto config = file.metadata.find(kConfigKey);
  const auto counters = file.metadata.find(kCountersKey);
  if (config == file.metadata.end() || counters == file.metadata.end()) {
    throw CheckpointError("[run state] \"" + path.string() +
                          "\" is no training state (its metadata has no retentive.run_*); a last.state.safetensors "
                          "of `retentive train` is accepted; for weights use model.weights");
  }
  RunState state;
  state.config_json = config->second;
  state.counters = parse_counters(counters->second, path.string());
  for (const auto& [name, tensor] : file.tensors) {
    bool known = false;
    for (const auto& [prefix, tensors] : sections(state)) {
      if (!name.starts_with(prefix)) continue;
      tensors->push_back({name.substr(prefix.size()), tensor});
      known = true;
    }
    if (!known) {
      throw CheckpointError("[run state] \"" + path.string() + "\" has a tensor \"" + name +
                            "\"; names begin with model., ema. or optimizer.; start the run again");
    }
  }
  return state;
}

}  // namespace retentive::models
