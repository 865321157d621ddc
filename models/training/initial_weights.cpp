#include <models/training/initial_weights.h>

#include <algorithm>
#include <cstring>

#include <models/checkpoint.h>
#include <models/training/class_rows.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr const char* kBackbone = "backbone.";

bool of_backbone(const std::string& name) { return name.starts_with(kBackbone); }

// The norms after each stage belong to detectors alone.
bool may_be_missing(const std::string& name) { return !of_backbone(name) || name.starts_with("backbone.extra_norms."); }

std::string listed(const std::string& what, const std::vector<std::string>& names) {
  constexpr size_t kShown = 4;
  std::string text = what + ": " + std::to_string(names.size()) + " tensors (";
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return text + (names.size() > kShown ? ", ...)" : ")");
}

}  // namespace

std::vector<std::string> load_detector_weights(vision::DetectorImpl& detector, const std::string& path,
                                               const std::vector<std::string>& classes) {
  auto checkpoint = read_checkpoint(path);
  const bool whole = std::any_of(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                                 [](const NamedTensor& tensor) { return of_backbone(tensor.name); });
  if (!whole) {
    for (auto& tensor : checkpoint.tensors) tensor.name.insert(0, kBackbone);
  }
  auto notes = checkpoint.warnings;
  for (auto& note : match_class_rows(checkpoint, detector, classes)) notes.push_back(std::move(note));
  auto match = match_state(detector, checkpoint);
  const bool fits = !match.loaded.empty() && std::all_of(match.missing.begin(), match.missing.end(), may_be_missing) &&
                    std::none_of(match.reshaped.begin(), match.reshaped.end(),
                                 [](const Mismatch& mismatch) { return of_backbone(mismatch.name); });
  if (!fits) {
    throw CheckpointError(
        "[train] model.weights \"" + path +
        "\" does not fit the backbone of this detector; weights of the same architecture are "
        "accepted, of a detector or a classifier; set model.name or model.config to that of the file\n" +
        match.diff());
  }
  load_state(detector, checkpoint, {.strict = false});
  std::vector<std::string> fresh = match.missing;
  for (const auto& mismatch : match.reshaped) fresh.push_back(mismatch.name);
  if (!fresh.empty()) notes.push_back(listed("left fresh", fresh));
  if (!whole) {
    for (auto& name : match.unexpected) name.erase(0, std::strlen(kBackbone));
  }
  if (!match.unexpected.empty()) notes.push_back(listed("left out of the file", match.unexpected));
  return notes;
}

}  // namespace retentive::models
