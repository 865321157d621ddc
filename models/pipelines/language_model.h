#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <models/pipelines/options.h>
#include <models/retnet.h>
#include <models/tokenizers/tokenizer.h>
#include <retention/base/export.h>

namespace retentive::models {

struct LanguageModelOptions : PipelineOptions {
  /// "bytes", or the path of a tokenizer.json or SentencePiece model; empty = that of the weights file.
  std::string tokenizer;
};

/// A language model that is prepared for inference, with its tokenizer: what the text pipelines share.
struct LanguageModel {
  std::string name;
  std::string hash;  ///< see model_hash()
  std::shared_ptr<RetnetImpl> network;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<int64_t> eos_ids;    ///< tokens that end a text: those of the weights file, else the tokenizer's
  std::vector<std::string> notes;  ///< what was left out, replaced or recomputed when loading
};

/// Loads a weights file or folder; an empty path stands for the built-in weights of options.model, or of
/// kDefaultLanguageModel. Throws CheckpointError, ConfigError for a model that is no language model or has no
/// tokenizer, and what the options' checks throw.
RETENTIVE_API LanguageModel load_language_model(const std::filesystem::path& weights,
                                                const LanguageModelOptions& options);

}  // namespace retentive::models
