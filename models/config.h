#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <models/retnet_config.h>
#include <retention/base/export.h>
#include <vision/detector_config.h>
#include <vision/rmt_config.h>
#include <vision/structures.h>
#include <vision/vir_config.h>

namespace retentive::models {

/// Architecture of one model of any family; the key `family` of its JSON form selects the alternative.
using ModelConfig =
    std::variant<vision::RmtConfig, vision::VirConfig, RetnetConfig, vision::RetinanetConfig, vision::MaskRcnnConfig>;

/// What a model turns into what: an image into classes or features, an image into objects, tokens into tokens.
enum class ModelKind { backbone, detector, language };

RETENTIVE_API ModelKind kind_of(const ModelConfig& config);

/// The JSON value of `family`: "rmt", "vir", "retnet", "retinanet" or "mask_rcnn".
RETENTIVE_API std::string_view family_name(const ModelConfig& config);

/// Reads a model configuration. Absent keys keep the defaults of the family; the result is validated.
/// `where` names the file or section in messages. Throws ConfigError for unknown and duplicate keys (naming the nearest
/// known one), values of a wrong type and values that no model of the family can have.
RETENTIVE_API ModelConfig parse_model_config(std::string_view json, const std::string& where);

/// As parse_model_config(), from a file. Throws ConfigError also when the file cannot be read.
RETENTIVE_API ModelConfig read_model_config(const std::filesystem::path& path);

/// The JSON form with every key; `indent` < 0 gives one line.
RETENTIVE_API std::string model_config_json(const ModelConfig& config, int indent = -1);

/// Throws ConfigError naming the first field with a value that no model of the family can have.
RETENTIVE_API void validate(const ModelConfig& config);

/// Number of classes the model tells apart; 0 without a head, and for a language model.
RETENTIVE_API int64_t num_classes(const ModelConfig& config);

/// Number of channels of the input image; 0 for a language model.
RETENTIVE_API int64_t in_channels(const ModelConfig& config);

/// A field in which two configurations differ; values in their JSON form.
struct FieldDifference {
  std::string name;
  std::string left;
  std::string right;
};

/// All fields that differ, in the order of the configuration.
RETENTIVE_API std::vector<FieldDifference> config_differences(const ModelConfig& left, const ModelConfig& right);

/// Reads image preprocessing from JSON; rules and errors as parse_model_config().
RETENTIVE_API vision::Preprocessing parse_preprocessing(std::string_view json, const std::string& where);

/// The JSON form of preprocessing with every key.
RETENTIVE_API std::string preprocessing_json(const vision::Preprocessing& preprocessing, int indent = -1);

/// The keys of a family as text, one a line: name, default, help. Throws ConfigError for an unknown family.
RETENTIVE_API std::string config_help(std::string_view family);

}  // namespace retentive::models
