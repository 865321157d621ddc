#pragma once

#include <string>
#include <string_view>

#include <models/retnet_config.h>
#include <models/state_dict.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Whose names the tensors of a language model carry.
enum class LanguageLayout { none, torchscale, fairseq, huggingface, fla };

/// By the name of the embedding table; `none` for anything but a RetNet.
RETENTIVE_API LanguageLayout language_layout(const NamedTensors& tensors);

/// Renames the tensors of any layout to those of RetnetImpl, splits fla's MLP of before February 2025, adds fla's
/// rotary angles and decays, which its files do not hold. Tensors of other models are left as they are. `where` names
/// the file. Throws CheckpointError for names or shapes that the layout cannot have.
RETENTIVE_API void to_native_keys(NamedTensors& tensors, const std::string& where);

/// The configuration in a `config.json` of the Hugging Face style implementation or of fla.
/// Throws ConfigError for another model type, a missing size, or a feature that this library does not have, by name.
RETENTIVE_API RetnetConfig parse_upstream_config(std::string_view json, const std::string& where);

}  // namespace retentive::models
