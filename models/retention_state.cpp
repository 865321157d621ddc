#include <models/retention_state.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <sstream>

#include <torch/torch.h>

#include <models/sha256.h>
#include <models/tensor_io.h>
#include <retention/base/error.h>
#include <retention/nn/causal_attention.h>

namespace retentive::models {
namespace {

using torch::Tensor;

constexpr const char* kVersion = "1";
constexpr const char* kPositions = "positions";
constexpr const char* kPending = "pending";

std::string tensor_name(size_t layer, size_t index) {
  return "layers." + std::to_string(layer) + "." + std::to_string(index);
}

// Of all names, types, shapes and bytes, and of what the file says about itself.
std::string checksum(const NamedTensors& tensors, const std::string& header) {
  std::vector<std::string> lines = {header};  // sorted: a file has its own order
  for (const auto& [name, tensor] : tensors) {
    const auto values = tensor.contiguous();
    std::ostringstream line;
    line << name << " " << tensor.dtype().name() << " " << tensor.sizes() << " "
         << sha256_hex({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()}) << "\n";
    lines.push_back(line.str());
  }
  std::sort(lines.begin(), lines.end());
  const std::string text = std::accumulate(lines.begin(), lines.end(), std::string());
  return sha256_hex(std::as_bytes(std::span(text)));
}

std::string entry(const TensorFile& file, const std::string& key) {
  const auto found = file.metadata.find("retentive.state." + key);
  return found == file.metadata.end() ? "" : found->second;
}

std::string header_of(const std::string& layers, const std::string& model_hash) {
  return "version " + std::string(kVersion) + " layers " + layers + " model " + model_hash + "\n";
}

template <class F>
std::vector<nn::LayerState> map_layers(const std::vector<nn::LayerState>& layers, const F& fn) {
  std::vector<nn::LayerState> mapped(layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const auto& tensor : nn::without_spare_room(layers[i]).tensors)
      mapped[i].tensors.push_back(tensor.dim() == 0 ? tensor : fn(tensor));
  }
  return mapped;
}

void check_alike(const RetentionState& a, const RetentionState& b) {
  const auto fail = [](const std::string& what) {
    throw InvalidArgument("[state] " + what + "; join states of one model after their first token");
  };
  if (a.layers.size() != b.layers.size()) fail("the states have different numbers of layers");
  for (size_t i = 0; i < a.layers.size(); ++i) {
    const auto left = nn::without_spare_room(a.layers[i]).tensors, right = nn::without_spare_room(b.layers[i]).tensors;
    if (left.size() != right.size()) fail("only one of the states has seen tokens, or their mixers differ");
    for (size_t j = 0; j < left.size(); ++j) {
      if (left[j].dim() == 0 && !left[j].equal(right[j])) fail("the attention caches have different lengths");
      if (left[j].dim() > 0 && left[j].sizes().slice(1) != right[j].sizes().slice(1)) {
        fail("layer " + std::to_string(i) + " differs in shape");
      }
    }
  }
}

void refuse_pending(const RetentionState& state) {
  if (state.pending.empty()) return;
  throw StateError("[state] the state has tokens that were not fed yet; run them through the model first");
}

}  // namespace

RetentionState::RetentionState(int64_t rows, int64_t layer_count)
    : positions(static_cast<size_t>(rows), 0), layers(static_cast<size_t>(layer_count)) {}

int64_t RetentionState::bytes() const {
  int64_t total = 0;
  for (const auto& layer : layers) {
    for (const auto& tensor : nn::without_spare_room(layer).tensors) total += static_cast<int64_t>(tensor.nbytes());
  }
  return total;
}

RetentionState::RetentionState(const RetentionState& other)
    : positions(other.positions),
      layers(map_layers(other.layers, [](const Tensor& tensor) { return tensor.clone(); })),
      pending(other.pending) {}

RetentionState& RetentionState::operator=(const RetentionState& other) { return *this = RetentionState(other); }

RetentionState RetentionState::select(const std::vector<int64_t>& wanted) const {
  refuse_pending(*this);
  RetentionState chosen;
  for (const auto row : wanted) {
    if (row < 0 || row >= rows()) {
      throw InvalidArgument("[state] row " + std::to_string(row) + " is not one of the " + std::to_string(rows()) +
                            " rows; rows count from 0");
    }
    chosen.positions.push_back(positions[static_cast<size_t>(row)]);
  }
  const auto index = torch::tensor(wanted, at::kLong);
  chosen.layers = map_layers(layers, [&](const Tensor& tensor) { return tensor.index_select(0, index); });
  return chosen;
}

RetentionState RetentionState::concat(const std::vector<RetentionState>& states) {
  if (states.empty()) throw InvalidArgument("[state] there is no state to join; give at least one");
  RetentionState joined;
  joined.layers.resize(states.front().layers.size());
  for (const auto& state : states) {
    refuse_pending(state);
    check_alike(states.front(), state);
    joined.positions.insert(joined.positions.end(), state.positions.begin(), state.positions.end());
  }
  for (size_t i = 0; i < joined.layers.size(); ++i) {
    for (size_t j = 0; j < states.front().layers[i].tensors.size(); ++j) {
      std::vector<Tensor> parts;
      for (const auto& state : states) parts.push_back(nn::without_spare_room(state.layers[i]).tensors[j]);
      joined.layers[i].tensors.push_back(parts.front().dim() == 0 ? parts.front() : torch::cat(parts));
    }
  }
  return joined;
}

void RetentionState::save(const std::filesystem::path& path, const std::string& model_hash) const {
  NamedTensors tensors = {{kPositions, torch::tensor(positions, at::kLong)},
                          {kPending, torch::tensor(pending, at::kLong)}};
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto layer = nn::without_spare_room(layers[i]).tensors;
    for (size_t j = 0; j < layer.size(); ++j) tensors.push_back({tensor_name(i, j), layer[j].contiguous()});
  }
  const auto count = std::to_string(layers.size());
  write_tensors(path, tensors,
                {{"retentive.state.version", kVersion},
                 {"retentive.state.layers", count},
                 {"retentive.state.model", model_hash},
                 {"retentive.state.sha256", checksum(tensors, header_of(count, model_hash))}});
}

RetentionState RetentionState::load(const std::filesystem::path& path, const std::string& model_hash) {
  const auto file = read_tensors(path);
  const auto damaged = [&](const std::string& what) {
    return CheckpointError("[" + path.string() + "] " + what + "; write the state again with --save-state");
  };
  if (entry(file, "version").empty()) throw damaged("is not a saved state");
  if (entry(file, "version") != kVersion) {
    throw damaged("has the version " + entry(file, "version") + ", and " + kVersion + " is understood");
  }
  const auto header = header_of(entry(file, "layers"), entry(file, "model"));
  if (entry(file, "sha256") != checksum(file.tensors, header)) throw damaged("is damaged: its checksum does not fit");
  if (entry(file, "model") != model_hash) {
    throw StateError("[" + path.string() + "] is the state of another model (" + entry(file, "model").substr(0, 12) +
                     ", not " + model_hash.substr(0, 12) + "); load it with the weights it was saved with");
  }
  const auto integers = [&](const char* name) {
    const auto* tensor = find_tensor(file.tensors, name);
    if (tensor == nullptr || tensor->scalar_type() != at::kLong) throw damaged(std::string("has no ") + name);
    const auto* values = tensor->const_data_ptr<int64_t>();
    return std::vector<int64_t>(values, values + tensor->numel());
  };
  const auto positions = integers(kPositions);
  int64_t layers = 0;
  const auto text = entry(file, "layers");
  std::from_chars(text.data(), text.data() + text.size(), layers);
  if (layers < 1 || layers > 1 << 16 || positions.empty()) throw damaged("has no layers or no rows");
  RetentionState state(static_cast<int64_t>(positions.size()), layers);
  state.positions = positions;
  state.pending = integers(kPending);
  for (size_t i = 0; i < state.layers.size(); ++i) {
    for (size_t j = 0;; ++j) {
      const auto* tensor = find_tensor(file.tensors, tensor_name(i, j));
      if (tensor == nullptr) break;
      state.layers[i].tensors.push_back(tensor->clone());
    }
  }
  return state;
}

}  // namespace retentive::models
