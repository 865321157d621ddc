#include <algorithm>

#include <models/checkpoint.h>
#include <models/detail/weights_file.h>
#include <models/formats/pth.h>
#include <models/formats/safetensors.h>
#include <models/language_keys.h>
#include <models/model_folder.h>
#include <models/tensor_io.h>
#include <models/upstream_keys.h>
#include <models/vit_keys.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

Checkpoint from_safetensors(const formats::SafetensorsFile& file) {
  Checkpoint checkpoint;
  checkpoint.path = file.name();
  checkpoint.card = parse_card(file.metadata(), file.name());
  for (const auto& view : file.tensors()) checkpoint.tensors.push_back({view.name, to_torch(view, file.owner())});
  strip_module_prefix(checkpoint.tensors, checkpoint.path);
  return checkpoint;
}

const StateLocation* first_of(const std::vector<StateLocation>& states, bool ema) {
  const auto found = std::find_if(states.begin(), states.end(), [ema](const auto& state) { return state.ema == ema; });
  return found == states.end() ? nullptr : &*found;
}

NamedTensors take(const formats::PthFile& file, const StateLocation& state, Checkpoint& checkpoint) {
  checkpoint.warnings.clear();
  checkpoint.taken = state.key;
  auto tensors = read_state(file, state, checkpoint.warnings);
  strip_module_prefix(tensors, file.name());
  return tensors;
}

void require(const StateLocation* state, const std::string& path, const char* what, const char* other) {
  if (state != nullptr) return;
  throw CheckpointError("[" + path + "] holds no " + what + " weights; it has " + other +
                        " weights only: ask for those");
}

Checkpoint from_pth(const formats::PthFile& file, Prefer prefer) {
  Checkpoint checkpoint;
  checkpoint.path = file.name();
  checkpoint.format = formats::WeightsFormat::pth;
  const auto states = find_states(file.root());
  const auto *raw = first_of(states, false), *ema = first_of(states, true);
  if (raw == nullptr && ema == nullptr) {
    throw CheckpointError("[" + checkpoint.path + "] holds no dict of named tensors; accepted: one under model_ema, " +
                          "model or state_dict, or the whole file; save model.state_dict()");
  }
  if (prefer == Prefer::raw) require(raw, checkpoint.path, "raw (model, state_dict)", "averaged (EMA)");
  if (prefer == Prefer::ema) require(ema, checkpoint.path, "averaged (model_ema)", "raw");
  if (prefer == Prefer::ema || raw == nullptr) {
    checkpoint.tensors = take(file, *ema, checkpoint);
    return checkpoint;
  }
  checkpoint.tensors = take(file, *raw, checkpoint);
  if (prefer == Prefer::raw || ema == nullptr) return checkpoint;
  const auto* row = identify(checkpoint.tensors).row;
  if (row != nullptr && row->published_ema) checkpoint.tensors = take(file, *ema, checkpoint);
  return checkpoint;
}

void rename(Checkpoint& checkpoint) {
  to_native_keys(checkpoint.tensors, checkpoint.path);
  // A file with a configuration is this library's own.
  if (!checkpoint.card.config) to_native_vit_keys(checkpoint.tensors);
}

}  // namespace

Checkpoint detail::read_weights_file(const std::filesystem::path& path, Prefer prefer) {
  if (formats::detect_format(path) == formats::WeightsFormat::pth) {
    return from_pth(formats::PthFile::open(path), prefer);
  }
  Checkpoint checkpoint = from_safetensors(formats::SafetensorsFile::open(path));
  if (prefer != Prefer::automatic) {
    checkpoint.warnings.push_back(
        "a safetensors file holds one set of weights: the choice between raw and ema is void");
  }
  return checkpoint;
}

Checkpoint read_checkpoint(const std::filesystem::path& path, Prefer prefer) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return read_model_folder(path);
  auto checkpoint = detail::read_weights_file(path, prefer);
  rename(checkpoint);
  return checkpoint;
}

Checkpoint read_checkpoint(std::span<const std::byte> bytes, const std::string& name) {
  auto checkpoint = from_safetensors(formats::SafetensorsFile::from_bytes(bytes, name));
  rename(checkpoint);
  return checkpoint;
}

}  // namespace retentive::models
