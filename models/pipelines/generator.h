#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <models/generation/sampling.h>
#include <models/pipelines/language_model.h>
#include <retention/base/export.h>

namespace retentive::models {

struct TextOptions {
  int64_t max_new_tokens = 128;  ///< 0: the prompt goes into the state, and nothing comes out
  SamplingOptions sampling = {};
  std::vector<std::string> stop = {};  ///< generation ends before the first of these texts or special tokens
  int64_t num_beams = 1;               ///< above 1: beam search, which takes no sampling options
  double length_penalty = 1;
  std::vector<int64_t> eos_ids = {};  ///< tokens that end the text besides the model's own
  bool ignore_eos = false;            ///< go on after the model's own end-of-text tokens
};

struct RETENTIVE_API GeneratedText {
  std::string text;                  ///< new text only, without a stop text
  std::vector<int64_t> tokens;       ///< new ones only
  std::string finish_reason;         ///< "length", "eos", "stop" or "cancelled"
  int64_t prompt_tokens = 0;         ///< tokens that went in before the first new one
  double prefill_seconds = 0;        ///< until the first new token
  double decode_seconds = 0;         ///< from the first to the last new token
  double tokens_per_second() const;  ///< of decoding
};

/// Text in, text out with one language model, whose state goes on from call to call.
class RETENTIVE_API Generator {
 public:
  /// Loads a weights file or folder with its tokenizer; an empty path stands for the built-in model, which continues
  /// Shakespeare's plays. Throws CheckpointError, ConfigError for a model that is no
  /// language model or has no tokenizer, and what the options' checks throw.
  static Generator from_file(const std::filesystem::path& weights, const LanguageModelOptions& options = {});

  Generator(Generator&&) noexcept;
  Generator& operator=(Generator&&) noexcept;
  ~Generator();

  /// Continues the text so far with `prompt` and new text. `on_text`, when given, receives the new text piece by piece,
  /// whole characters only and perhaps empty, and ends generation by returning false. A model that saw nothing yet
  /// starts with the tokenizer's beginning-of-text token, if there is one. Throws InvalidArgument when there is nothing
  /// to continue.
  GeneratedText generate(std::string_view prompt, const TextOptions& options = {},
                         const std::function<bool(std::string_view piece)>& on_text = {});

  /// Forgets the text so far.
  void reset();
  /// The state after the text so far; see RetentionState. The text itself is not in it: penalties start anew.
  void save_state(const std::filesystem::path& path) const;
  void load_state(const std::filesystem::path& path);

  const std::string& model_name() const;
  /// What was left out, replaced or recomputed when the model was loaded.
  const std::vector<std::string>& notes() const;

 private:
  class Impl;
  explicit Generator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::models
