#include <models/config.h>

#include <array>
#include <optional>

#include <models/config_json.h>
#include <models/nearest.h>

namespace retentive::models {
namespace {

constexpr std::string_view kRmt = "rmt";
constexpr std::string_view kVir = "vir";
constexpr std::string_view kRetnet = "retnet";
const std::vector<std::string> kFamilies = {std::string(kRmt), std::string(kVir), std::string(kRetnet)};

[[noreturn]] void refuse_family(const std::string& where, const std::string& key, const Json& value) {
  std::string accepted;
  for (const auto& family : kFamilies) accepted += (accepted.empty() ? "\"" : " | \"") + family + "\"";
  json_detail::refuse_value(where, key, value, accepted);
}

template <class Config>
Config read_family(Json fields, const std::string& where, const std::string& section) {
  fields.erase("family");
  Config config;
  read_json_fields(fields, config, where, section);
  try {
    config.validate();
  } catch (const ConfigError& error) {
    throw ConfigError("[" + where + "] " + error.what());
  }
  return config;
}

}  // namespace

std::string_view family_name(const ModelConfig& config) {
  struct Namer {
    std::string_view operator()(const vision::RmtConfig&) const { return kRmt; }
    std::string_view operator()(const vision::VirConfig&) const { return kVir; }
    std::string_view operator()(const RetnetConfig&) const { return kRetnet; }
  };
  return std::visit(Namer{}, config);
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
                      "family\" is missing; it says what kind of model this is: add \"family\": \"" +
                      std::string(kRmt) + "\" (or \"" + std::string(kVir) + "\", \"" + std::string(kRetnet) + "\")");
  }
  if (*family == std::string(kRmt)) return read_family<vision::RmtConfig>(object, where, section);
  if (*family == std::string(kVir)) return read_family<vision::VirConfig>(object, where, section);
  if (*family == std::string(kRetnet)) return read_family<RetnetConfig>(object, where, section);
  refuse_family(where, prefix + "family", *family);
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
  };
  return std::visit(Counter{}, config);
}

int64_t in_channels(const ModelConfig& config) {
  struct Counter {
    int64_t operator()(const vision::RmtConfig& rmt) const { return rmt.in_channels; }
    int64_t operator()(const vision::VirConfig& vir) const { return vir.in_channels; }
    int64_t operator()(const RetnetConfig&) const { return 0; }
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
  std::vector<FieldHelp> fields;
  if (family == kRmt) {
    append_field_help(vision::RmtConfig{}, "", fields);
  } else if (family == kVir) {
    append_field_help(vision::VirConfig{}, "", fields);
  } else if (family == kRetnet) {
    append_field_help(RetnetConfig{}, "", fields);
  } else {
    refuse_family("config_help", "family", Json(std::string(family)));
  }
  return format_field_help(fields);
}

}  // namespace retentive::models
