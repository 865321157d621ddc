#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <models/checkpoint.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Registry names of the models that run where none is named.
inline constexpr const char* kDefaultClassifier = "rmt_nano";
inline constexpr const char* kDefaultDetector = "mask_rcnn_rmt_nano";
inline constexpr const char* kDefaultLanguageModel = "retnet_nano";

/// A weights file that is part of the library.
struct BuiltinWeights {
  std::string_view model;            ///< registry name
  std::string origin;                ///< what messages call it, where a file would have its path
  std::span<const std::byte> bytes;  ///< a safetensors image, aligned to 64 bytes
};

/// All of them; their order is of no meaning.
RETENTIVE_API std::span<const BuiltinWeights> builtin_weights();

/// The weights of that model, or null where none are built in.
RETENTIVE_API const BuiltinWeights* find_builtin_weights(std::string_view model);

/// read_checkpoint() of built-in weights. Throws ConfigError, naming `where` and the fix, for a model without.
RETENTIVE_API Checkpoint read_builtin_checkpoint(std::string_view model, const std::string& where);

}  // namespace retentive::models
