#include <models/wrapper_keys.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>

#include <models/language_keys.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

// Parts of names that no model of this library has.
constexpr std::array<std::string_view, 5> kWrappers = {"module.", "_orig_mod.", "_forward_module.",
                                                       "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."};
constexpr std::array<std::string_view, 3> kAveraged = {"ema.", "model_ema.", "ema_model."};
constexpr std::string_view kModel = "model.";

using Removed = std::set<std::string_view>;

bool strip_parts(std::string& name, Removed& removed) {
  const auto before = name.size();
  for (const auto wrapper : kWrappers) {
    for (size_t at = 0; (at = name.find(wrapper, at)) != std::string::npos;) {
      if (at > 0 && name[at - 1] != '.') {
        ++at;
        continue;
      }
      name.erase(at, wrapper.size());
      removed.insert(wrapper);
    }
  }
  return name.size() != before;
}

bool any_begins(const NamedTensors& tensors, std::string_view prefix) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [prefix](const NamedTensor& entry) { return entry.name.starts_with(prefix); });
}

std::string_view averaged_prefix(const std::string& name) {
  for (const auto prefix : kAveraged) {
    if (name.starts_with(prefix)) return prefix;
  }
  return {};
}

bool same_memory(const torch::Tensor& a, const torch::Tensor& b) {
  return a.const_data_ptr() == b.const_data_ptr() && a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type();
}

// One tensor under two names that became one stays once; two tensors are a contradiction.
void merge_equal_names(NamedTensors& tensors, const std::string& where) {
  std::map<std::string, torch::Tensor> seen;
  NamedTensors merged;
  for (auto& entry : tensors) {
    const auto [found, added] = seen.emplace(entry.name, entry.tensor);
    if (added) {
      merged.push_back(std::move(entry));
    } else if (!same_memory(found->second, entry.tensor)) {
      throw CheckpointError("[" + where + "] holds " + entry.name +
                            " twice, with and without a prefix such as \"module.\" or \"_orig_mod.\"; save one "
                            "model's state dict alone");
    }
  }
  tensors = std::move(merged);
}

}  // namespace

void strip_wrappers(NamedTensors& tensors, const std::string& where, std::vector<std::string>& warnings) {
  Removed removed;
  std::vector<char> changed;
  for (auto& entry : tensors) changed.push_back(strip_parts(entry.name, removed));
  while (language_layout(tensors) == LanguageLayout::none && any_begins(tensors, kModel)) {
    removed.insert(kModel);
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (!tensors[i].name.starts_with(kModel)) continue;
      tensors[i].name.erase(0, kModel.size());
      changed[i] = true;
    }
  }
  merge_equal_names(tensors, where);
  std::erase_if(tensors, [](const NamedTensor& entry) { return entry.name == "n_averaged"; });
  if (removed.empty()) return;
  std::string list;
  for (const auto prefix : removed) list += (list.empty() ? "" : ", ") + std::string(prefix);
  warnings.push_back("prefixes of wrappers (" + list + ") are taken off " +
                     std::to_string(std::count(changed.begin(), changed.end(), true)) + " names");
}

bool keep_one_set(NamedTensors& tensors, bool averaged, std::vector<std::string>& warnings) {
  NamedTensors raw, ema;
  for (const auto& entry : tensors) {
    const auto prefix = averaged_prefix(entry.name);
    if (prefix.empty()) {
      raw.push_back(entry);
    } else {
      ema.push_back({entry.name.substr(prefix.size()), entry.tensor});
    }
  }
  const auto &wanted = averaged ? ema : raw, &other = averaged ? raw : ema;
  if (wanted.empty() && !other.empty()) return false;
  if (!other.empty()) {
    warnings.push_back(std::string("the file holds two sets of weights; the ") +
                       (averaged ? "averaged (EMA) ones are taken, and " : "raw ones are taken, and ") +
                       std::to_string(other.size()) + (averaged ? " others" : " averaged (EMA) ones") +
                       " are left out");
  }
  tensors = wanted;
  return true;
}

}  // namespace retentive::models
