#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <models/config.h>
#include <models/formats/detect.h>
#include <models/formats/tensor.h>
#include <models/model_card.h>
#include <models/state_dict.h>
#include <retention/base/enum_names.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Which weights of a training checkpoint to take: the raw ones, the averaged ones (EMA), or those that the published
/// score of the recognised model belongs to (EMA for rmt_s, rmt_b, rmt_l; else raw).
enum class Prefer { automatic, raw, ema };

/// The content of a weights file. Tensors are mapped from the file where possible: they must not be written to.
struct Checkpoint {
  std::string path = {};
  formats::WeightsFormat format = formats::WeightsFormat::safetensors;
  ModelCard card = {};        ///< empty for .pth
  NamedTensors tensors = {};  ///< in file order, prefixes of wrappers removed; see strip_wrappers()
  std::vector<formats::SkippedTensor> skipped = {};  ///< of kinds that are not read, as the file names them
  std::string taken = {};  ///< key of the .pth that holds the tensors: "model_ema", "model", ...; empty for a bare dict
  std::vector<std::string> warnings = {};
};

/// Reads a safetensors or .pth file, told apart by content, or a folder (see read_model_folder()).
/// Throws CheckpointError, ConfigError (damaged card), Unsupported (legacy .pth).
RETENTIVE_API Checkpoint read_checkpoint(const std::filesystem::path& path, Prefer prefer = Prefer::automatic);

/// Reads a safetensors image in memory that outlives the result; `name` stands for the path.
RETENTIVE_API Checkpoint read_checkpoint(std::span<const std::byte> bytes, const std::string& name);

/// One tensor that a model and a file have in different shapes or kinds of element.
struct Mismatch {
  std::string name;
  std::string model;  ///< "F32 [64, 3, 3, 3]"
  std::string file;
};

/// How the tensors of a file fit a model.
struct LoadReport {
  std::vector<std::string> loaded;
  std::vector<std::string> missing;     ///< in the model, not in the file
  std::vector<std::string> unexpected;  ///< in the file, not in the model
  std::vector<Mismatch> reshaped;       ///< in both, not alike; not loaded
  std::vector<std::string> skipped;     ///< in the file, of a kind that is not read: "x C64 [2]"
  std::vector<std::string> warnings;    ///< what was left out on purpose

  bool complete() const { return missing.empty() && unexpected.empty() && reshaped.empty(); }

  /// The differences, one a line, long lists shortened; empty when complete.
  RETENTIVE_API std::string diff() const;
};

struct LoadOptions {
  bool strict = true;  ///< refuse a file that does not fit completely, before anything is copied
};

/// Compares names, shapes and kinds of element without copying anything. `num_batches_tracked` may be missing; an
/// `aux_head` that the model does not have is left out with a warning.
RETENTIVE_API LoadReport match_state(const torch::nn::Module& module, const Checkpoint& checkpoint);

/// Throws CheckpointError with the counts and the readable difference unless the report is complete.
RETENTIVE_API void require_complete(const LoadReport& report, const std::string& path);

/// Copies the tensors of a file into parameters and buffers (the file's Relpos values win over the formula, unless
/// they are the formula's rounded to bf16 or f16, which a warning says); f64, f16 and bf16 become f32, a missing
/// `num_batches_tracked` becomes 0.
/// Throws CheckpointError with the readable difference when strict and the file does not fit.
RETENTIVE_API LoadReport load_state(torch::nn::Module& module, const Checkpoint& checkpoint,
                                    const LoadOptions& options = {});

/// What the caller says about a weights file; needed only for files without a configuration that is recognised.
struct ModelChoice {
  std::optional<std::string> name = std::nullopt;    ///< registry name; class count and head variant come from the file
  std::optional<ModelConfig> config = std::nullopt;  ///< complete configuration
};

/// The configuration of a file: from its card, from `choice`, or recognised from names and shapes.
/// Throws ConfigError when choice and card disagree (naming both values), or when nothing says what the model is.
RETENTIVE_API ModelConfig resolve_config(const Checkpoint& checkpoint, const ModelChoice& choice);

/// Fills name, preprocessing and labels that the file does not give from the registry row that `choice`, the card or
/// the tensors name, if any; `card.config` must be set.
RETENTIVE_API void complete_card(ModelCard& card, const Checkpoint& checkpoint, const ModelChoice& choice);

/// A model ready to run.
struct LoadedModel {
  std::shared_ptr<torch::nn::Module> model;  ///< in eval mode; see as_backbone(), as_language_model()
  ModelCard card;  ///< config always set; preprocessing and labels from the file, else from the registry row
  LoadReport report;
};

/// Builds the model of a weights file and loads it strictly. Throws what read_checkpoint(), resolve_config() and
/// load_state() throw.
RETENTIVE_API LoadedModel load_model(const std::filesystem::path& path, const ModelChoice& choice = {},
                                     Prefer prefer = Prefer::automatic);
RETENTIVE_API LoadedModel load_model(const Checkpoint& checkpoint, const ModelChoice& choice = {});

/// Element type of saved weights. With bf16 every vector (biases, norms, BatchNorm statistics, layer scale) and the
/// Relpos buffers stay F32; integers always keep their type.
enum class SaveType { f32, bf16 };

/// Writes a safetensors file atomically, replacing an existing one. Throws CheckpointError.
RETENTIVE_API void save_checkpoint(const std::filesystem::path& path, const torch::nn::Module& module,
                                   const ModelCard& card, SaveType type = SaveType::f32);
RETENTIVE_API void save_checkpoint(const std::filesystem::path& path, const NamedTensors& tensors,
                                   const ModelCard& card, SaveType type = SaveType::f32);

}  // namespace retentive::models

template <>
struct retentive::EnumNames<retentive::models::Prefer> {
  using E = retentive::models::Prefer;
  static constexpr std::array<std::pair<E, std::string_view>, 3> table = {
      {{E::automatic, "auto"}, {E::raw, "raw"}, {E::ema, "ema"}}};
};

template <>
struct retentive::EnumNames<retentive::models::SaveType> {
  using E = retentive::models::SaveType;
  static constexpr std::array<std::pair<E, std::string_view>, 2> table = {{{E::f32, "f32"}, {E::bf16, "bf16"}}};
};
