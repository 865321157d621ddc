#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <retention/base/export.h>
#include <retention/nn/sequence.h>

namespace retentive::models {

/// What a language model remembers of the tokens so far, for one or several sequences (rows). A value: copies share
/// nothing that a forward pass changes. With retention its size does not depend on the number of tokens.
class RETENTIVE_API RetentionState {
 public:
  RetentionState() = default;
  RetentionState(const RetentionState& other);
  RetentionState& operator=(const RetentionState& other);
  RetentionState(RetentionState&&) noexcept = default;
  RetentionState& operator=(RetentionState&&) noexcept = default;
  /// Of `rows` sequences before their first token, for a model of `layers` layers.
  RetentionState(int64_t rows, int64_t layers);

  int64_t rows() const { return static_cast<int64_t>(positions.size()); }
  /// Bytes of all tensors, without the room that caches keep for tokens to come.
  int64_t bytes() const;

  /// The state of these rows, in this order; a row may be named more than once (to branch continuations).
  RetentionState select(const std::vector<int64_t>& rows) const;
  /// All rows of all states, in order. Throws InvalidArgument when they are of different models or of attention caches
  /// of different lengths.
  static RetentionState concat(const std::vector<RetentionState>& states);

  /// Writes a versioned safetensors file with a checksum of its tensors and the hash of the model, atomically.
  /// Throws CheckpointError.
  void save(const std::filesystem::path& path, const std::string& model_hash) const;
  /// Throws CheckpointError for a damaged file, StateError for the state of another model.
  static RetentionState load(const std::filesystem::path& path, const std::string& model_hash);

  std::vector<int64_t> positions;      ///< tokens seen by each row
  std::vector<nn::LayerState> layers;  ///< in order
  std::vector<int64_t> pending;        ///< of a state with one row: tokens of the text that were not fed yet
};

}  // namespace retentive::models
