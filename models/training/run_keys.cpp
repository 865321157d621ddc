#include <models/training/run_keys.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>
#include <vector>

#include <models/nearest.h>
#include <models/training/run_config.h>

namespace retentive::models {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 31> kOtherNames = {
    {{"learning_rate", "optimizer.lr"},
     {"learningrate", "optimizer.lr"},
     {"base_lr", "optimizer.lr"},
     {"init_lr", "optimizer.lr"},
     {"max_lr", "optimizer.lr"},
     {"wd", "optimizer.weight_decay"},
     {"optim", "optimizer"},
     {"opt", "optimizer.kind"},
     {"clip_grad", "optimizer.clip_grad_norm"},
     {"grad_clip", "optimizer.clip_grad_norm"},
     {"num_epochs", "schedule.epochs"},
     {"max_epochs", "schedule.epochs"},
     {"n_epochs", "schedule.epochs"},
     {"num_train_epochs", "schedule.epochs"},
     {"warmup", "schedule.warmup_epochs"},
     {"scheduler", "schedule"},
     {"lr_scheduler", "schedule"},
     {"num_workers", "data.workers"},
     {"dataset", "data"},
     {"datasets", "data"},
     {"val", "data.validation"},
     {"valid", "data.validation"},
     {"train_dir", "data.train"},
     {"val_dir", "data.validation"},
     {"output", "run.output_dir"},
     {"save_dir", "run.output_dir"},
     {"batch", "run.batch_size"},
     {"random_seed", "run.seed"},
     {"pretrained", "model.weights"},
     {"checkpoint", "model.weights"},
     {"arch", "model.name"}}};

std::string leaf_of(const std::string& path) { return path.substr(path.find_last_of('.') + 1); }

// Every section and field of a run configuration, as paths.
std::vector<std::string> all_paths() {
  auto paths = field_names<RunConfig>();
  std::vector<FieldHelp> fields;
  append_field_help(RunConfig{}, "", fields);
  for (const auto& field : fields) {
    if (std::find(paths.begin(), paths.end(), field.path) == paths.end()) paths.push_back(field.path);
  }
  return paths;
}

// Names so alike that a slip of the finger explains them.
bool is_like(const std::string& a, const std::string& b) {
  return edit_distance(a, b) <= std::max<size_t>(1, std::min(a.size(), b.size()) / 3);
}

// The path that was probably meant; empty when nothing is like it.
std::string meant(const std::string& section, std::string key, const std::vector<std::string>& paths) {
  constexpr size_t kLongest = 64;
  if (key.size() > kLongest) return {};
  std::transform(key.begin(), key.end(), key.begin(),
                 [](unsigned char c) { return c == '-' || c == ' ' ? '_' : static_cast<char>(std::tolower(c)); });
  for (const auto& path : paths) {
    if (leaf_of(path) == key) return path;
  }
  for (const auto& [other, path] : kOtherNames) {
    if (key == other) return std::string(path);
  }
  std::string nearest;
  for (const auto& path : paths) {
    if (!is_like(key, leaf_of(path))) continue;
    const bool here = section.empty() ? path.find('.') == std::string::npos : path.starts_with(section + ".");
    if (here) return path;
    if (nearest.empty()) nearest = path;
  }
  return nearest;
}

std::string quoted(const std::string& text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

[[noreturn]] void refuse_unknown(const std::string& where, const std::string& section, const std::string& key,
                                 const std::vector<std::string>& paths) {
  std::string known;
  for (const auto& path : paths) {
    const bool here = section.empty() ? path.find('.') == std::string::npos : path.starts_with(section + ".");
    if (here) known += (known.empty() ? "" : ", ") + leaf_of(path);
  }
  const auto path = meant(section, key, paths);
  const auto dot = path.find('.');
  std::string fix = "`retentive train --print-config` prints every field";
  if (!path.empty()) {
    fix = "did you mean " + path + "?";
    if (dot != std::string::npos) {
      fix += " It stands in its section: \"" + path.substr(0, dot) + "\": {\"" + path.substr(dot + 1) + "\": ...}";
    }
  }
  throw ConfigError("[" + where + "] unknown key " + quoted(key.substr(0, 80)) +
                    (section.empty() ? "" : " in section \"" + section + "\"") + "; " +
                    (section.empty() ? "sections: " : "its keys: ") + known + "; " + fix);
}

}  // namespace

void check_run_keys(const Json& root, const std::string& where) {
  if (!root.is_object()) return;
  const auto paths = all_paths();
  const auto known = [&paths](const std::string& path) {
    return std::find(paths.begin(), paths.end(), path) != paths.end();
  };
  for (const auto& [section, fields] : root.items()) {
    if (section.find('.') != std::string::npos || !known(section)) refuse_unknown(where, "", section, paths);
    if (!fields.is_object() || section == "preprocessing") continue;
    for (const auto& [key, value] : fields.items()) {
      if (key.find('.') != std::string::npos || !known(section + "." + key)) refuse_unknown(where, section, key, paths);
    }
  }
  if (root.contains("data") && !root["data"].is_null()) return;
  throw ConfigError("[" + where +
                    "] the section \"data\" is missing; it names what is learned from; add for example \"data\": "
                    "{\"kind\": \"image_folder\", \"train\": \"FOLDER\", \"validation_fraction\": 0.1}, or give --set "
                    "data.train=FOLDER");
}

}  // namespace retentive::models
