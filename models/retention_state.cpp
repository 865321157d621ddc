#include <models/retention_state.h>

#include <utility>

#include <torch/torch.h>

#include <models/state_file.h>
#include <retention/base/error.h>
#include <retention/nn/causal_attention.h>

namespace retentive::models {
namespace {

using torch::Tensor;

constexpr const char* kPositions = "positions";
constexpr const char* kPending = "pending";

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
  StateFile file;
  file.tensors = {{kPositions, torch::tensor(positions, at::kLong)}, {kPending, torch::tensor(pending, at::kLong)}};
  for (const auto& layer : layers) file.layers.push_back(nn::without_spare_room(layer));
  file.save(path, model_hash);
}

RetentionState RetentionState::load(const std::filesystem::path& path, const std::string& model_hash) {
  auto file = StateFile::load(path, model_hash);
  RetentionState state;
  state.positions = file.integers(kPositions);
  if (state.positions.empty()) throw CheckpointError("[" + path.string() + "] has no rows; write the state again");
  state.pending = file.integers(kPending);
  state.layers = std::move(file.layers);
  return state;
}

}  // namespace retentive::models
