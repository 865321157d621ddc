#include <algorithm>
#include <array>

#include <models/checkpoint.h>
#include <models/labels.h>
#include <models/registry.h>
#include <models/upstream_keys.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

// These say how to train or run a model, not what its weights are.
bool is_training_field(const std::string& name) {
  return name == "drop_path_rate" || name == "layer_scale_init" || name == "dropout" || name == "chunk_size";
}

void refuse_conflict(const Checkpoint& checkpoint, const std::string& chosen, const ModelConfig& config) {
  for (const auto& [name, left, right] : config_differences(config, *checkpoint.card.config)) {
    if (is_training_field(name)) continue;
    const std::string held = checkpoint.card.name.empty() ? "the file" : "the file (" + checkpoint.card.name + ")";
    throw ConfigError("[" + checkpoint.path + "] " + chosen + " has " + name + " = " + left + ", but " + held +
                      " has " + right + "; leave the choice out: the file says what it is");
  }
}

const ModelRow* row_of(const Checkpoint& checkpoint, const ModelChoice& choice) {
  if (choice.name) return &find_model(*choice.name);
  for (const ModelRow& row : model_rows()) {
    if (row.name == checkpoint.card.name) return &row;
  }
  if (choice.config) return nullptr;
  return identify(checkpoint.tensors).row;
}

// The row's, for the image size that the file's position table is made for.
vision::Preprocessing preprocessing_of(const ModelRow& row, const ModelConfig& config) {
  auto result = row.preprocessing;
  const auto* vir = std::get_if<vision::VirConfig>(&config);
  if (vir == nullptr || vir->image_size == result.crop) return result;
  const auto shorter = [](const std::array<int64_t, 2>& size) { return std::min(size[0], size[1]); };
  result.resize_shorter = result.resize_shorter * shorter(vir->image_size) / shorter(result.crop);
  result.crop = vir->image_size;
  return result;
}

}  // namespace

ModelConfig resolve_config(const Checkpoint& checkpoint, const ModelChoice& choice) {
  if (choice.name && choice.config) {
    throw ConfigError("[" + checkpoint.path + "] both a model name (" + *choice.name +
                      ") and a configuration are given; give one of them");
  }
  if (choice.config) {
    validate(*choice.config);
    if (checkpoint.card.config) refuse_conflict(checkpoint, "the given configuration", *choice.config);
    return checkpoint.card.config.value_or(*choice.config);
  }
  if (choice.name) {
    const ModelConfig named = adapt_head(find_model(*choice.name).config, checkpoint.tensors);
    if (checkpoint.card.config) refuse_conflict(checkpoint, *choice.name, named);
    return checkpoint.card.config.value_or(named);
  }
  if (checkpoint.card.config) return *checkpoint.card.config;
  const Identification found = identify(checkpoint.tensors);
  if (found.config) return *found.config;
  throw ConfigError("[" + checkpoint.path + "] says nothing about its model, and its tensors fit no registered one (" +
                    found.reason +
                    "); name it (--model NAME) or describe it (--config FILE); `retentive convert` with " +
                    "one of these writes a file that carries its configuration");
}

void complete_card(ModelCard& card, const Checkpoint& checkpoint, const ModelChoice& choice) {
  const ModelRow* row = row_of(checkpoint, choice);
  if (row == nullptr) return;
  if (card.name.empty()) card.name = row->name;
  if (row->kind() == ModelKind::language) return;
  if (!card.preprocessing) card.preprocessing = preprocessing_of(*row, *card.config);
  if (!card.labels.empty()) return;
  auto labels = label_set(row->labels);
  if (static_cast<int64_t>(labels.size()) == num_classes(*card.config)) card.labels = std::move(labels);
}

LoadedModel load_model(const Checkpoint& checkpoint, const ModelChoice& choice) {
  LoadedModel loaded;
  loaded.card = checkpoint.card;
  loaded.card.config = resolve_config(checkpoint, choice);
  complete_card(loaded.card, checkpoint, choice);
  loaded.model = build_uninitialized(*loaded.card.config);
  loaded.report = load_state(*loaded.model, checkpoint);
  loaded.report.warnings.insert(loaded.report.warnings.begin(), checkpoint.warnings.begin(), checkpoint.warnings.end());
  loaded.model->eval();
  return loaded;
}

LoadedModel load_model(const std::filesystem::path& path, const ModelChoice& choice, Prefer prefer) {
  return load_model(read_checkpoint(path, prefer), choice);
}

}  // namespace retentive::models
