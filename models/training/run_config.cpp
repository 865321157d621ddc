#include <models/training/run_config.h>

#include <algorithm>
#include <set>

#include <models/config_json.h>
#include <models/registry.h>
#include <models/training/run_keys.h>
#include <retention/base/error.h>

namespace retentive::models {

namespace {

void require(bool ok, const std::string& what, const std::string& accepted, const std::string& fix) {
  if (!ok) throw ConfigError("[run config] " + what + "; " + accepted + "; " + fix);
}

// A value that is no JSON is taken as text, so that paths and names need no quotes on the command line.
Json override_value(const std::string& text) {
  auto value = Json::parse(text, nullptr, false);
  return value.is_discarded() ? Json(text) : value;
}

void apply_override(Json& root, const std::string& assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw ConfigError("[run config] \"" + assignment +
                      "\" is no assignment; section.key=value is accepted; for example run.seed=1");
  }
  Json* node = &root;
  std::string path = assignment.substr(0, equals);
  for (size_t dot; (dot = path.find('.')) != std::string::npos; path = path.substr(dot + 1)) {
    node = &(*node)[path.substr(0, dot)];
    if (!node->is_null() && !node->is_object()) {
      throw ConfigError("[run config] \"" + path.substr(0, dot) + "\" in \"" + assignment +
                        "\" is no section; section.key=value is accepted; for example run.seed=1");
    }
  }
  (*node)[path] = override_value(assignment.substr(equals + 1));
}

// Fields that change what is written or how fast, never the weights.
bool is_free(const std::string& field) {
  static const std::set<std::string> kFree = {"data.workers",     "run.output_dir", "run.threads", "run.save_every",
                                              "run.log_interval", "run.license",    "run.notes"};
  return kFree.contains(field);
}

std::optional<FieldDifference> differ(const Json& ours, const Json& theirs, const std::string& path) {
  if (ours.is_object() && theirs.is_object()) {
    for (const auto& [key, value] : ours.items()) {
      const auto found = theirs.find(key);
      const auto name = path.empty() ? key : path + "." + key;
      if (auto difference = differ(value, found == theirs.end() ? Json() : *found, name)) return difference;
    }
    return std::nullopt;
  }
  if (ours == theirs || is_free(path)) return std::nullopt;
  return FieldDifference{path, ours.dump(), theirs.dump()};
}

void validate_labels(const DataSection& data) {
  if (data.kind == DataKind::mnist) {
    require(!data.train_labels.empty(), "data.train_labels is empty", "mnist needs an idx1 file of labels",
            "set data.train_labels");
    require(data.validation.empty() == data.validation_labels.empty(),
            "only one of data.validation and data.validation_labels is set", "both or neither", "set the other");
  }
  require(data.tokenizer.empty(), "data.tokenizer is set", "a tokenizer goes with data.kind \"text\"",
          "remove data.tokenizer");
}

// What only detectors know.
void refuse_detector_fields(const RunConfig& config) {
  require(config.model.frozen_layers == 0 && !config.model.freeze_norms,
          "model.frozen_layers or model.freeze_norms is set", "they go with detectors (data.kind \"coco\")",
          "remove them");
  require(config.optimizer.backbone_scale == 1,
          "optimizer.backbone_scale is " + std::to_string(config.optimizer.backbone_scale),
          "1 for models that are no detectors", "remove it, or use optimizer.layer_decay");
  require(config.detection_augment == datasets::DetectionAugment{}, "detection_augment is set",
          "it goes with data.kind \"coco\"", "remove it");
  require(!config.data.ignore_orientation, "data.ignore_orientation is set", "it goes with data.kind \"coco\"",
          "remove it");
}

void validate_coco(const RunConfig& config) {
  const auto& data = config.data;
  require(!data.train_labels.empty() && !data.validation.empty() && !data.validation_labels.empty(),
          "data.train_labels, data.validation or data.validation_labels is empty",
          "coco needs a folder of images and an annotation file for training and for validation", "set all of them");
  require(data.classes.empty() && data.tokenizer.empty(), "data.classes or data.tokenizer is set",
          "the annotations name their categories", "remove them");
  require(config.model.frozen_layers >= 0, "model.frozen_layers is " + std::to_string(config.model.frozen_layers),
          "0 or more layers", "set model.frozen_layers");
  require(config.model.form == Form::auto_ && config.model.chunk == 0, "model.form or model.chunk is set",
          "detectors choose the form themselves", "remove them");
  require(to_json_value(config.augment) == to_json_value(datasets::AugmentConfig{}), "augment is set",
          "detectors have detection_augment", "move what you need there");
  datasets::check_detection_augment(config.detection_augment);
}

void validate_text(const RunConfig& config) {
  const auto& data = config.data;
  require(data.train_labels.empty() && data.validation_labels.empty() && data.classes.empty(),
          "data.train_labels, data.validation_labels or data.classes is set", "text has no labels", "remove them");
  require(data.sequence_length >= 2 && data.sequence_length <= (1 << 20),
          "data.sequence_length is " + std::to_string(data.sequence_length), "2 to 1048576",
          "set data.sequence_length");
  require(data.validation_window >= 0, "data.validation_window is " + std::to_string(data.validation_window),
          "0 (one stream) or more tokens", "set data.validation_window");
  require(to_json_value(config.augment) == to_json_value(datasets::AugmentConfig{}), "augment is set",
          "text is not augmented", "remove the section");
  require(!config.preprocessing, "preprocessing is set", "text has none", "remove the section");
  require(config.optimizer.layer_decay == 1, "optimizer.layer_decay is " + std::to_string(config.optimizer.layer_decay),
          "1 for language models", "remove it");
  require(!config.run.grad_checkpointing, "run.grad_checkpointing is set", "it is there for vision models",
          "remove it, and choose a smaller run.batch_size or the chunkwise form");
}

void validate_data(const DataSection& data) {
  require(!data.train.empty(), "data.train is empty", "a folder or file is needed", "set data.train");
  const double fraction = data.validation_fraction;
  require(fraction >= 0 && fraction < 1, "data.validation_fraction is " + std::to_string(fraction),
          "from 0 to less than 1", "set data.validation_fraction");
  require(data.validation.empty() != (fraction == 0),
          data.validation.empty() ? "there is no validation set" : "there is a validation set and a fraction",
          "exactly one of data.validation and data.validation_fraction", "set one of them, for example fraction 0.1");
  require(data.workers >= 0 && data.workers <= 256, "data.workers is " + std::to_string(data.workers), "0 to 256",
          "set data.workers");
}

}  // namespace

void RunConfig::validate() const {
  require(model.name.empty() == model.config.has_value(),
          model.config ? "model.name and model.config are both set" : "neither model.name nor model.config is set",
          "exactly one of them", "name a model (`retentive models` lists them) or write its configuration");
  if (!model.name.empty()) find_model(model.name);
  validate_data(data);
  const bool text = data.kind == DataKind::text;
  require(text || preprocessing || !model.config, "preprocessing is missing for a model given by its configuration",
          "resize_shorter, crop, mean, std", "add a preprocessing section");
  require(model.chunk >= 0, "model.chunk is " + std::to_string(model.chunk), "0 (the model's) or more tokens",
          "set model.chunk");
  if (text) validate_text(*this);
  if (data.kind == DataKind::coco) {
    validate_coco(*this);
  } else {
    refuse_detector_fields(*this);
    if (!text) validate_labels(data);
  }
  datasets::check_augment(augment);
  optimizer.validate();
  Schedule(schedule, optimizer.lr, 1);
  require(ema.decay >= 0 && ema.decay < 1, "ema.decay is " + std::to_string(ema.decay), "from 0 (off) to less than 1",
          "set ema.decay");
  require(run.seed >= 0, "run.seed is " + std::to_string(run.seed), "0 or more", "set run.seed");
  require(run.batch_size >= 1, "run.batch_size is " + std::to_string(run.batch_size), "1 or more",
          "set run.batch_size");
  require(run.threads >= 0 && run.threads <= 1024, "run.threads is " + std::to_string(run.threads),
          "0 (all cores) to 1024", "set run.threads");
  require(run.save_every >= 1, "run.save_every is " + std::to_string(run.save_every), "1 or more",
          "set run.save_every");
  require(run.log_interval >= 1, "run.log_interval is " + std::to_string(run.log_interval), "1 or more",
          "set run.log_interval");
  require(!run.output_dir.empty(), "run.output_dir is empty", "a folder", "set run.output_dir");
}

RunConfig parse_run_config(const std::string& json_text, const std::string& where,
                           const std::vector<std::string>& overrides) {
  auto json = parse_json(json_text, where);
  for (const auto& assignment : overrides) {
    if (json.is_object()) apply_override(json, assignment);
  }
  check_run_keys(json, where);
  RunConfig config;
  read_json_fields(json, config, where);
  config.validate();
  return config;
}

RunConfig read_run_config(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  return parse_run_config(read_config_text(path.string()), path.string(), overrides);
}

std::string run_config_json(const RunConfig& config) { return to_json_value(config).dump(2); }

std::optional<FieldDifference> first_difference(const RunConfig& ours, const RunConfig& theirs) {
  return differ(to_json_value(ours), to_json_value(theirs), "");
}

}  // namespace retentive::models
