#include <models/upstream_keys.h>

#include <array>
#include <string_view>

#include <models/tensor_io.h>

namespace retentive::models {
namespace {

using formats::PickleValue;

constexpr std::array<std::string_view, 8> kRawKeys = {"model",       "state_dict", "model_state_dict", "module",
                                                      "model_state", "net",        "params",           "weights"};
constexpr std::array<std::string_view, 6> kEmaKeys = {"model_ema",      "state_dict_ema", "ema",
                                                      "ema_state_dict", "ema_model",      "params_ema"};

bool is_tensor(const PickleValue& value) {
  return value.is(PickleValue::Kind::tensor) || (value.is(PickleValue::Kind::skipped) && value.as_skipped().tensor);
}

bool holds_tensors(const PickleValue& value) {
  if (!value.is(PickleValue::Kind::dict)) return false;
  for (const auto& entry : value.entries()) {
    if (entry.key.is(PickleValue::Kind::string) && is_tensor(entry.value)) return true;
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

void read_state(const formats::PthFile& file, const StateLocation& location, Checkpoint& checkpoint) {
  for (const auto& [key, value] : location.state->entries()) {
    const bool named = key.is(PickleValue::Kind::string);
    const std::string name = named ? key.as_string() : "<a key that is no text>";
    if (named && value.is(PickleValue::Kind::tensor)) {
      const auto owned = file.contiguous(value.as_tensor(), name);
      checkpoint.tensors.push_back({name, to_torch(owned.view, owned.owner)});
    } else if (named && is_tensor(value)) {
      checkpoint.skipped.push_back({name, value.as_skipped().name});
    } else {
      checkpoint.warnings.push_back("entry " + name + " is left out: it is a " +
                                    std::string(formats::kind_name(value.kind())) + ", not a named tensor");
    }
  }
}

}  // namespace retentive::models
