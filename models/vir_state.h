#pragma once

#include <filesystem>
#include <string>

#include <retention/base/export.h>
#include <vision/vir.h>

namespace retentive::models {

/// Writes a VirStream's state as a StateFile; `model_hash` is models::model_hash() of the model before it was prepared.
/// Throws CheckpointError.
RETENTIVE_API void save_vir_state(const std::filesystem::path& path, const vision::VirState& state,
                                  const std::string& model_hash);

/// Throws CheckpointError for a damaged file, StateError for the state of another model.
RETENTIVE_API vision::VirState load_vir_state(const std::filesystem::path& path, const std::string& model_hash);

}  // namespace retentive::models
