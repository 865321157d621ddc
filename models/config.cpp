#include <models/config.h>

#include <array>
#include <optional>

#include <models/config_json.h>
#include <models/nearest.h>

namespace retentive::models {
namespace {

// Name and default configuration of every family, in the order of ModelConfig.
const std::vector<std::pair<std::string, ModelConfig>>& families() {
  static const std::vector<std::pair<std::string, ModelConfig>> list = {{"rmt", vision::RmtConfig{}},
                                                                        {"vir", vision::VirConfig{}},
                                                                        {"retnet", RetnetConfig{}},
                                                                        {"retinanet", vision::RetinanetConfig{}},
                                                                        {"mask_rcnn", vision::MaskRcnnConfig{}}};
  return list;
}

std::string family_choices() {
  std::string choices;
  for (const auto& [name, config] : families()) choices += (choices.empty() ? "\"" : " | \"") + name + "\"";
  return choices;
}

const ModelConfig* find_family(const std::string& name) {
  for (const auto& [family, config] : families()) {
    if (family == name) return &config;
  }
  return nullptr;
}

[[noreturn]] void refuse_family(const std::string& where, const std::string& key, const Json& value) {
  json_detail::refuse_value(where, key, value, family_choices());
}

template <class Config>
Config read_family(Json fields, Config config, const std::string& where, const std::string& section) {
  fields.erase("family");
  read_json_fields(fields, config, where, section);
  try {
    config.validate();
  } catch (const ConfigError& error) {
    throw ConfigError("[" + where + "] " + error.what());
  }
  return config;
}

}  // namespace

std::string_view family_name(const ModelConfig& config) { return families()[config.index()].first; }

ModelKind kind_of(const ModelConfig& config) {
  struct Kind {
    ModelKind operator()(const vision::RmtConfig&) const { return ModelKind::backbone; }
    ModelKind operator()(const vision::VirConfig&) const { return ModelKind::backbone; }
    ModelKind operator()(const RetnetConfig&) const { return ModelKind::language; }
    ModelKind operator()(const vision::RetinanetConfig&) const { return ModelKind::detector; }
    ModelKind operator()(const vision::MaskRcnnConfig&) const { return ModelKind::detector; }
  };
  return std::visit(Kind{}, config);
}

Json model_config_to_json(const ModelConfig& config) {
  Json object;
  object["family"] = std::string(family_name(config));
  object.update(std::visit([](const auto& fields) { return to_json_value(fields); }, config));
  return object;
}

ModelConfig model_config_from_json(const Json& object, const std::string& where, const std::string& section) {
  const std::string prefix = section.empty() ? "" : section + ".";
  if (!object.is_object()) {
    json_detail::refuse_value(where, section.empty() ? "the model configuration" : section, object,
                              "an object in braces with the key \"family\"");
  }
  const auto family = object.find("family");
  if (family == object.end()) {
    throw ConfigError("[" + where + "] key \"" + prefix +
                      "family\" is missing; it says what kind of model this is: add \"family\": " + family_choices());
  }
  const ModelConfig* const defaults = family->is_string() ? find_family(family->get<std::string>()) : nullptr;
  if (defaults == nullptr) refuse_family(where, prefix + "family", *family);
  return std::visit([&](const auto& config) -> ModelConfig { return read_family(object, config, where, section); },
                    *defaults);
}

Json backbone_config_to_json(const vision::BackboneConfig& config) {
  return model_config_to_json(std::visit([](const auto& fields) -> ModelConfig { return fields; }, config));
}

vision::BackboneConfig backbone_config_from_json(const Json& object, const std::string& where,
                                                 const std::string& section) {
  Json headless = object;
  if (object.is_object() && object.contains("family")) {
    const Json& family = object["family"];
    if (family != "rmt" && family != "vir") {
      json_detail::refuse_value(where, section + ".family", family, "\"rmt\" | \"vir\"");
    }
    if (family == "rmt" && !object.contains("head")) headless["head"] = "none";
    if (family == "vir" && !object.contains("num_classes")) headless["num_classes"] = 0;
  }
  const auto config = model_config_from_json(headless, where, section);
  if (const auto* rmt = std::get_if<vision::RmtConfig>(&config)) return *rmt;
  return std::get<vision::VirConfig>(config);
}

ModelConfig parse_model_config(std::string_view json, const std::string& where) {
  return model_config_from_json(parse_json(json, where), where);
}

ModelConfig read_model_config(const std::filesystem::path& path) {
  return parse_model_config(read_config_text(path.string()), path.string());
}

std::string model_config_json(const ModelConfig& config, int indent) {
  return model_config_to_json(config).dump(indent);
}

void validate(const ModelConfig& config) {
  std::visit([](const auto& fields) { fields.validate(); }, config);
}

int64_t num_classes(const ModelConfig& config) {
  struct Counter {
    int64_t operator()(const vision::RmtConfig& rmt) const {
      return rmt.head == vision::RmtHead::none ? 0 : rmt.num_classes;
    }
    int64_t operator()(const vision::VirConfig& vir) const { return vir.num_classes; }
    int64_t operator()(const RetnetConfig&) const { return 0; }
    int64_t operator()(const vision::RetinanetConfig& detector) const { return detector.num_classes; }
    int64_t operator()(const vision::MaskRcnnConfig& detector) const { return detector.num_classes; }
  };
  return std::visit(Counter{}, config);
}

int64_t in_channels(const ModelConfig& config) {
  struct Counter {
    int64_t operator()(const vision::RmtConfig& rmt) const { return rmt.in_channels; }
    int64_t operator()(const vision::VirConfig& vir) const { return vir.in_channels; }
    int64_t operator()(const RetnetConfig&) const { return 0; }
    int64_t operator()(const vision::RetinanetConfig& detector) const { return std::visit(*this, detector.backbone); }
    int64_t operator()(const vision::MaskRcnnConfig& detector) const { return std::visit(*this, detector.backbone); }
  };
  return std::visit(Counter{}, config);
}

std::vector<FieldDifference> config_differences(const ModelConfig& left, const ModelConfig& right) {
  const Json left_json = model_config_to_json(left);
  const Json right_json = model_config_to_json(right);
  const auto text = [](const Json& object, const std::string& key) {
    const auto found = object.find(key);
    return found == object.end() ? std::string("absent") : found->dump();
  };
  std::vector<FieldDifference> differences;
  for (const auto& [key, value] : left_json.items()) {
    const std::string other = text(right_json, key);
    if (value.dump() != other) differences.push_back({key, value.dump(), other});
  }
  return differences;
}

vision::Preprocessing parse_preprocessing(std::string_view json, const std::string& where) {
  vision::Preprocessing result;
  read_json_fields(parse_json(json, where), result, where);
  const auto refuse = [&where](const std::string& what) { throw ConfigError("[" + where + "] " + what); };
  if (result.resize_shorter < 1) {
    refuse("resize_shorter is " + std::to_string(result.resize_shorter) + "; accepted: 1 or more pixels");
  }
  if (result.resize_longer != 0 && result.resize_longer < result.resize_shorter) {
    refuse("resize_longer is " + std::to_string(result.resize_longer) + "; accepted: 0, or at least resize_shorter");
  }
  for (const int64_t side : result.crop) {
    if (side < 1) refuse("crop has the side " + std::to_string(side) + "; accepted: 1 or more pixels");
  }
  if (result.mean.size() != result.std.size() || (result.mean.size() != 1 && result.mean.size() != 3)) {
    refuse("mean has " + std::to_string(result.mean.size()) + " and std has " + std::to_string(result.std.size()) +
           " entries; accepted: 3 each (RGB) or 1 each (grey)");
  }
  for (const double value : result.std) {
    if (value <= 0) refuse("std has the value " + Json(value).dump() + "; accepted: values above 0");
  }
  return result;
}

std::string preprocessing_json(const vision::Preprocessing& preprocessing, int indent) {
  return to_json_value(preprocessing).dump(indent);
}

std::string config_help(std::string_view family) {
  const ModelConfig* const defaults = find_family(std::string(family));
  if (defaults == nullptr) refuse_family("config_help", "family", Json(std::string(family)));
  std::vector<FieldHelp> fields;
  std::visit([&fields](const auto& config) { append_field_help(config, "", fields); }, *defaults);
  return format_field_help(fields);
}

}  // namespace retentive::models
