#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <models/checkpoint.h>
#include <retention/base/export.h>

namespace retentive::models {

struct ConvertOptions {
  Prefer prefer = Prefer::automatic;
  ModelChoice choice = {};
  std::vector<std::string> labels = {};         ///< class names by index; empty = those of the recognised model
  std::string license = {};                     ///< licence of the weights; empty keeps what the file says
  bool strict = true;                           ///< refuse a file that does not fit its model completely
  std::optional<SaveType> type = std::nullopt;  ///< default: f32 for a known model, else every type as it is
  bool overwrite = false;
};

/// What convert() found and wrote.
struct ConvertReport {
  ModelCard card;     ///< as written; without config when nothing said what the model is
  std::string taken;  ///< see Checkpoint::taken
  LoadReport match;   ///< empty without config
  std::vector<std::string> warnings;
  std::size_t tensors = 0;  ///< number written
};

/// Rewrites a weights file as safetensors that carries configuration, preprocessing, labels and the SHA-256 of its
/// source. Tensors that no model is recognised in are written all the same, without configuration, with a warning.
///
/// Throws InvalidArgument when `out` exists and may not be overwritten or is `in`; CheckpointError with the readable
/// difference when strict and the file does not fit; ConfigError for a wrong number of labels; what read_checkpoint()
/// throws. Nothing is written then.
RETENTIVE_API ConvertReport convert(const std::filesystem::path& in, const std::filesystem::path& out,
                                    const ConvertOptions& options = {});

/// Names of float tensors with an infinite or NaN element.
RETENTIVE_API std::vector<std::string> non_finite_tensors(const NamedTensors& tensors);

}  // namespace retentive::models
