#include <models/training/run_state.h>

#include <array>
#include <utility>

#include <models/config_json.h>
#include <models/tensor_checksum.h>
#include <models/tensor_io.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr const char* kConfigKey = "retentive.run_config";
constexpr const char* kCountersKey = "retentive.run_counters";
constexpr const char* kDataKey = "retentive.run_data";
constexpr const char* kChecksumKey = "retentive.run_sha256";

template <class State>
auto sections(State& state) {
  return std::array{std::pair{std::string("model."), &state.model}, std::pair{std::string("ema."), &state.ema},
                    std::pair{std::string("optimizer."), &state.optimizer}};
}

using Metadata = std::map<std::string, std::string>;

// Of the tensors and all that the file says beside them.
std::string checksum(const NamedTensors& tensors, const Metadata& metadata) {
  std::string header;
  for (const char* key : {kConfigKey, kCountersKey, kDataKey}) header += metadata.at(key) + "\n";
  return tensor_checksum(tensors, header);
}

void check_file(const TensorFile& file, const std::string& path) {
  for (const char* key : {kConfigKey, kCountersKey, kDataKey, kChecksumKey}) {
    if (file.metadata.contains(key)) continue;
    throw CheckpointError("[run state] \"" + path + "\" is no training state (its metadata has no " + key +
                          "); a last.state.safetensors that this version of `retentive train` wrote is accepted; for "
                          "weights use model.weights");
  }
  if (file.metadata.at(kChecksumKey) == checksum(file.tensors, file.metadata)) return;
  throw CheckpointError("[run state] \"" + path +
                        "\" is damaged: its checksum does not fit; an unchanged file is accepted; restore it from a "
                        "copy, or start anew in another output_dir, from best.safetensors as model.weights");
}

}  // namespace

void write_run_state(const std::filesystem::path& path, const RunState& state) {
  NamedTensors all;
  for (const auto& [prefix, tensors] : sections(state)) {
    for (const auto& [name, tensor] : *tensors) all.push_back({prefix + name, tensor.detach()});
  }
  Metadata metadata = {{kConfigKey, state.config_json},
                       {kCountersKey, to_json_value(state.counters).dump()},
                       {kDataKey, Json(state.data).dump()}};
  metadata[kChecksumKey] = checksum(all, metadata);
  write_tensors(path, all, metadata);
}

RunState read_run_state(const std::filesystem::path& path) {
  const auto file = read_tensors(path);
  check_file(file, path.string());
  RunState state;
  state.config_json = file.metadata.at(kConfigKey);
  read_json_fields(parse_json(file.metadata.at(kCountersKey), path.string()), state.counters, path.string());
  const auto data = parse_json(file.metadata.at(kDataKey), path.string());
  for (const auto& [field, print] : data.items()) {
    state.data[field] = print.is_string() ? print.get<std::string>() : print.dump();
  }
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
