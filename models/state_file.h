#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <models/state_dict.h>
#include <retention/base/export.h>
#include <retention/nn/sequence.h>

namespace retentive::models {

/// What a model remembers between calls, as a file: states of layers and further tensors, in a versioned safetensors
/// file with a checksum of its tensors and the hash of the model that they belong to.
struct StateFile {
  std::vector<nn::LayerState> layers;
  NamedTensors tensors;
  std::filesystem::path path = {};  ///< where it was read

  /// Writes atomically. Throws CheckpointError.
  RETENTIVE_API void save(const std::filesystem::path& to, const std::string& model_hash) const;
  /// Throws CheckpointError for a damaged file, StateError for the state of another model.
  RETENTIVE_API static StateFile load(const std::filesystem::path& path, const std::string& model_hash);

  /// The values of an int64 tensor. Throws CheckpointError when there is none.
  RETENTIVE_API std::vector<int64_t> integers(const std::string& name) const;
};

}  // namespace retentive::models
