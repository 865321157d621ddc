#include <models/upstream_keys.h>

#include <array>
#include <set>
#include <string_view>

#include <models/tensor_io.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

using formats::PickleValue;

constexpr std::array<std::string_view, 2> kRawKeys = {"model", "state_dict"};
constexpr std::array<std::string_view, 2> kEmaKeys = {"model_ema", "state_dict_ema"};

bool holds_tensors(const PickleValue& value) {
  if (!value.is(PickleValue::Kind::dict)) return false;
  for (const auto& entry : value.entries()) {
    if (entry.key.is(PickleValue::Kind::string) && entry.value.is(PickleValue::Kind::tensor)) return true;
  }
  return false;
}

// Some trainers wrap the dict once more: {"model": {"state_dict": {...}}}.
void append_location(const PickleValue& root, std::string_view key, bool ema, std::vector<StateLocation>& out) {
  const PickleValue* value = root.find(key);
  if (value == nullptr) return;
  if (holds_tensors(*value)) {
    out.push_back({std::string(key), value, ema});
    return;
  }
  for (const std::string_view inner : kRawKeys) {
    const PickleValue* nested = value->find(inner);
    if (nested == nullptr || !holds_tensors(*nested)) continue;
    out.push_back({std::string(key) + "." + std::string(inner), nested, ema});
    return;
  }
}

}  // namespace

std::vector<StateLocation> find_states(const PickleValue& root) {
  std::vector<StateLocation> locations;
  for (const auto key : kRawKeys) append_location(root, key, false, locations);
  if (holds_tensors(root)) locations.push_back({"", &root, false});
  for (const auto key : kEmaKeys) append_location(root, key, true, locations);
  return locations;
}

NamedTensors read_state(const formats::PthFile& file, const StateLocation& location,
                        std::vector<std::string>& warnings) {
  NamedTensors tensors;
  for (const auto& [key, value] : location.state->entries()) {
    const std::string name = key.is(PickleValue::Kind::string) ? key.as_string() : "<a key that is no text>";
    if (!value.is(PickleValue::Kind::tensor) || !key.is(PickleValue::Kind::string)) {
      warnings.push_back("entry " + name + " is left out: it is a " + std::string(formats::kind_name(value.kind())) +
                         ", not a named tensor");
      continue;
    }
    const auto owned = file.contiguous(value.as_tensor(), name);
    tensors.push_back({name, to_torch(owned.view, owned.owner)});
  }
  return tensors;
}

void strip_module_prefix(NamedTensors& tensors, const std::string& where) {
  constexpr std::string_view kPrefix = "module.";
  std::set<std::string_view> seen;
  for (NamedTensor& entry : tensors) {
    while (entry.name.starts_with(kPrefix)) entry.name.erase(0, kPrefix.size());
  }
  for (const NamedTensor& entry : tensors) {
    if (seen.insert(entry.name).second) continue;
    throw CheckpointError("[" + where + "] holds " + entry.name +
                          " twice, with and without the prefix \"module.\"; save one model's state dict alone");
  }
}

}  // namespace retentive::models
