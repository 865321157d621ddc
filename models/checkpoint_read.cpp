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
#include <models/wrapper_keys.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

// Names that save_model() of the safetensors package noted in the metadata for tensors that have two.
void add_aliases(const formats::SafetensorsFile& file, NamedTensors& tensors) {
  for (const auto& [alias, name] : file.metadata()) {
    const auto* tensor = file.find(alias) == nullptr ? find_tensor(tensors, name) : nullptr;
    if (tensor != nullptr) tensors.push_back({alias, *tensor});
  }
}

void warn_of_skipped(Checkpoint& checkpoint) {
  constexpr size_t kShown = 4;
  const auto& skipped = checkpoint.skipped;
  if (skipped.empty()) return;
  std::string list;
  for (size_t i = 0; i < std::min(skipped.size(), kShown); ++i) {
    list += (i == 0 ? "" : ", ") + skipped[i].name + " (" + skipped[i].type + ")";
  }
  checkpoint.warnings.push_back(std::to_string(skipped.size()) + " tensors are skipped, of kinds that are not read: " +
                                list + (skipped.size() > kShown ? ", ..." : ""));
}

// One set of weights under the names of its model, but for the layouts of language models. False when there is no such
// set: then nothing is changed.
bool tidy(Checkpoint& checkpoint, bool averaged) {
  const auto before = checkpoint.tensors;
  const auto left = checkpoint.warnings.size();
  strip_wrappers(checkpoint.tensors, checkpoint.path, checkpoint.warnings);
  if (!keep_one_set(checkpoint.tensors, averaged, checkpoint.warnings)) {
    checkpoint.warnings.resize(left);
    checkpoint.tensors = before;
    return false;
  }
  if (averaged) strip_wrappers(checkpoint.tensors, checkpoint.path, checkpoint.warnings);
  warn_of_skipped(checkpoint);
  return true;
}

Checkpoint from_safetensors(const formats::SafetensorsFile& file) {
  Checkpoint checkpoint;
  checkpoint.path = file.name();
  checkpoint.card = parse_card(file.metadata(), file.name());
  checkpoint.skipped = file.skipped();
  for (const auto& view : file.tensors()) checkpoint.tensors.push_back({view.name, to_torch(view, file.owner())});
  add_aliases(file, checkpoint.tensors);
  return checkpoint;
}

const StateLocation* first_of(const std::vector<StateLocation>& states, bool ema) {
  const auto found = std::find_if(states.begin(), states.end(), [ema](const auto& state) { return state.ema == ema; });
  return found == states.end() ? nullptr : &*found;
}

void tidy_safetensors(Checkpoint& checkpoint, Prefer prefer) {
  const auto count = checkpoint.tensors.size();
  if (prefer == Prefer::ema && tidy(checkpoint, true)) return;
  if (!tidy(checkpoint, false)) tidy(checkpoint, true);
  if (prefer == Prefer::automatic || checkpoint.tensors.size() < count) return;
  checkpoint.warnings.push_back("a safetensors file holds one set of weights: the choice between raw and ema is void");
}

// The weights of a .pth: a dict of its own for each set, or both in one.
class PthReader {
 public:
  explicit PthReader(const formats::PthFile& file)
      : file_(file), states_(find_states(file.root())), raw_(first_of(states_, false)), ema_(first_of(states_, true)) {
    if (raw_ != nullptr || ema_ != nullptr) return;
    throw CheckpointError("[" + file.name() + "] holds no dict of named tensors; accepted: one under model_ema, " +
                          "model or state_dict, or the whole file; save model.state_dict()");
  }

  Checkpoint read(Prefer prefer) const {
    Checkpoint result;
    if (prefer == Prefer::ema) {
      if (take_averaged(result)) return result;
      refuse("averaged (model_ema)", "raw");
    }
    if (!take(raw_, false, result)) {
      if (prefer == Prefer::raw) refuse("raw (model, state_dict)", "averaged (EMA)");
      take_averaged(result);
    } else if (prefer == Prefer::automatic) {
      const auto* row = identify(result.tensors).row;
      if (row != nullptr && row->published_ema) take_averaged(result);
    }
    return result;
  }

  // With the names as they are in the file.
  Checkpoint read_untidied() const {
    const auto& state = raw_ != nullptr ? *raw_ : *ema_;
    Checkpoint result{.path = file_.name(), .format = formats::WeightsFormat::pth, .taken = state.key};
    read_state(file_, state, result);
    return result;
  }

 private:
  [[noreturn]] void refuse(const char* what, const char* other) const {
    throw CheckpointError("[" + file_.name() + "] holds no " + what + " weights; it has " + other +
                          " weights only: ask for those");
  }

  bool take_averaged(Checkpoint& result) const { return take(ema_, false, result) || take(raw_, true, result); }

  bool take(const StateLocation* state, bool averaged, Checkpoint& result) const {
    if (state == nullptr) return false;
    Checkpoint taken{.path = file_.name(), .format = formats::WeightsFormat::pth, .taken = state->key};
    read_state(file_, *state, taken);
    if (!tidy(taken, averaged)) return false;
    result = std::move(taken);
    return true;
  }

  const formats::PthFile& file_;
  std::vector<StateLocation> states_;
  const StateLocation* raw_;
  const StateLocation* ema_;
};

void rename(Checkpoint& checkpoint) {
  to_native_keys(checkpoint.tensors, checkpoint.path);
  // A file with a configuration is this library's own.
  if (!checkpoint.card.config) to_native_vit_keys(checkpoint.tensors);
}

}  // namespace

Checkpoint detail::read_weights_file(const std::filesystem::path& path, Prefer prefer) {
  if (formats::detect_format(path) == formats::WeightsFormat::pth) {
    return PthReader(formats::PthFile::open(path)).read(prefer);
  }
  Checkpoint checkpoint = from_safetensors(formats::SafetensorsFile::open(path));
  tidy_safetensors(checkpoint, prefer);
  return checkpoint;
}

Checkpoint detail::read_shard(const std::filesystem::path& path) {
  if (formats::detect_format(path) == formats::WeightsFormat::pth) {
    return PthReader(formats::PthFile::open(path)).read_untidied();
  }
  return from_safetensors(formats::SafetensorsFile::open(path));
}

void detail::join_shards(Checkpoint& whole) { tidy_safetensors(whole, Prefer::automatic); }

Checkpoint read_checkpoint(const std::filesystem::path& path, Prefer prefer) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return read_model_folder(path);
  auto checkpoint = detail::read_weights_file(path, prefer);
  rename(checkpoint);
  return checkpoint;
}

Checkpoint read_checkpoint(std::span<const std::byte> bytes, const std::string& name) {
  auto checkpoint = from_safetensors(formats::SafetensorsFile::from_bytes(bytes, name));
  tidy_safetensors(checkpoint, Prefer::automatic);
  rename(checkpoint);
  return checkpoint;
}

}  // namespace retentive::models
