#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <models/checkpoint.h>
#include <models/formats/pickle.h>
#include <models/formats/pth.h>
#include <models/registry.h>
#include <models/state_dict.h>
#include <retention/base/export.h>

namespace retentive::models {

/// A dict of tensors somewhere in a .pth.
struct StateLocation {
  std::string key;  ///< "model", "model_ema", "model.state_dict"; empty for the root itself
  const formats::PickleValue* state = nullptr;
  bool ema = false;
};

/// Every dict of model weights in the tree, raw before averaged, the usual keys first: `model`, `state_dict`, `module`,
/// ..., the bare root; `model_ema`, `state_dict_ema`, ... Optimizer states are not among them.
RETENTIVE_API std::vector<StateLocation> find_states(const formats::PickleValue& root);

/// Adds the tensors of one of find_states() to `checkpoint`, mapped from the file; tensors of kinds that are not read
/// are among its `skipped`, other entries become warnings.
RETENTIVE_API void read_state(const formats::PthFile& file, const StateLocation& location, Checkpoint& checkpoint);

/// `config` with the head that a file has: classifier, token label (an `aux_head` over the last stage's channels) or
/// none (`extra_norms`), and its number of classes; of a ViR or ViT also pooling, layer scale, epilogue and the grid of
/// its positions where that is a square.
RETENTIVE_API ModelConfig adapt_head(const ModelConfig& config, const NamedTensors& tensors);

/// What a file's tensors are, as far as names, shapes and Relpos.decay values tell. Full or decomposed MaSA leaves no
/// trace in weights: it is taken from the row.
struct Identification {
  const ModelRow* row = nullptr;      ///< null when no row fits
  std::optional<ModelConfig> config;  ///< the row's configuration with the file's head
  std::string reason;                 ///< what the nearest row differs in, when none fits
};

/// Finds the registry row that fits; rows called test_* take part only as `only`. With `only` no other is tried.
RETENTIVE_API Identification identify(const NamedTensors& tensors, const ModelRow* only = nullptr);

}  // namespace retentive::models
