#include <models/state_file.h>

#include <charconv>

#include <models/tensor_checksum.h>
#include <models/tensor_io.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr const char* kVersion = "1";

std::string tensor_name(size_t layer, size_t index) {
  return "layers." + std::to_string(layer) + "." + std::to_string(index);
}

std::string entry(const TensorFile& file, const std::string& key) {
  const auto found = file.metadata.find("retentive.state." + key);
  return found == file.metadata.end() ? "" : found->second;
}

std::string header_of(const std::string& layers, const std::string& model_hash) {
  return "version " + std::string(kVersion) + " layers " + layers + " model " + model_hash + "\n";
}

CheckpointError damaged(const std::filesystem::path& path, const std::string& what) {
  return CheckpointError("[" + path.string() + "] " + what + "; write the state again");
}

// Everything that the file says about itself, held against its content and the model.
void check_state(const std::filesystem::path& path, const TensorFile& file, const std::string& model_hash) {
  if (entry(file, "version").empty()) throw damaged(path, "is not a saved state");
  if (entry(file, "version") != kVersion) {
    throw damaged(path, "has the version " + entry(file, "version") + ", and " + kVersion + " is understood");
  }
  const auto header = header_of(entry(file, "layers"), entry(file, "model"));
  if (entry(file, "sha256") != tensor_checksum(file.tensors, header)) {
    throw damaged(path, "is damaged: its checksum does not fit");
  }
  if (entry(file, "model") != model_hash) {
    throw StateError("[" + path.string() + "] is the state of another model (" + entry(file, "model").substr(0, 12) +
                     ", not " + model_hash.substr(0, 12) + "); load it with the weights it was saved with");
  }
}

}  // namespace

void StateFile::save(const std::filesystem::path& to, const std::string& model_hash) const {
  auto all = tensors;
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i].tensors;
    for (size_t j = 0; j < layer.size(); ++j) all.push_back({tensor_name(i, j), layer[j].contiguous()});
  }
  const auto count = std::to_string(layers.size());
  write_tensors(to, all,
                {{"retentive.state.version", kVersion},
                 {"retentive.state.layers", count},
                 {"retentive.state.model", model_hash},
                 {"retentive.state.sha256", tensor_checksum(all, header_of(count, model_hash))}});
}

StateFile StateFile::load(const std::filesystem::path& path, const std::string& model_hash) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    throw CheckpointError("[state] " + path.string() +
                          (std::filesystem::exists(path, ignored) ? " is no file" : " does not exist") +
                          "; give a file that --save-state has written");
  }
  const auto file = read_tensors(path);
  check_state(path, file, model_hash);
  int64_t count = 0;
  const auto text = entry(file, "layers");
  std::from_chars(text.data(), text.data() + text.size(), count);
  if (count < 1 || count > 1 << 16) throw damaged(path, "has no layers");
  StateFile state{.layers = std::vector<nn::LayerState>(static_cast<size_t>(count)), .tensors = {}, .path = path};
  for (const auto& [name, tensor] : file.tensors) {
    if (!name.starts_with("layers.")) state.tensors.push_back({name, tensor.clone()});
  }
  for (size_t i = 0; i < state.layers.size(); ++i) {
    for (size_t j = 0;; ++j) {
      const auto* tensor = find_tensor(file.tensors, tensor_name(i, j));
      if (tensor == nullptr) break;
      state.layers[i].tensors.push_back(tensor->clone());
    }
  }
  return state;
}

std::vector<int64_t> StateFile::integers(const std::string& name) const {
  const auto* tensor = find_tensor(tensors, name);
  if (tensor == nullptr || tensor->scalar_type() != at::kLong) throw damaged(path, "has no " + name);
  const auto* values = tensor->const_data_ptr<int64_t>();
  return {values, values + tensor->numel()};
}

}  // namespace retentive::models
