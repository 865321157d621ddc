#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <models/generation/sampling.h>
#include <models/retnet.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Why generation ended.
enum class FinishReason { length, stop_token, stopped };

struct GenerationOptions {
  int64_t max_new_tokens = 128;           ///< 0 only reads the prompt, whose last token is pending then
  std::vector<int64_t> banned = {};       ///< never chosen
  std::vector<int64_t> stop_tokens = {};  ///< generation ends with the first of these
  int64_t prefill_segment = 8192;         ///< tokens of a prompt that go through the model at a time
};

struct GenerationResult {
  std::vector<int64_t> tokens;  ///< new ones only, a stop token included
  FinishReason reason = FinishReason::length;
};

/// Runs a prompt through the model and gives the logits after its last token, float [V]. `state` has one row.
/// Throws InvalidArgument for an empty prompt.
RETENTIVE_API torch::Tensor prefill(RetnetImpl& model, RetentionState& state, std::span<const int64_t> prompt,
                                    int64_t segment = 8192);

/// Continues `prompt` with tokens that `sampler` draws. `state` (one row) holds what came before it and, afterwards,
/// everything but the last new token, which stands in its `pending`; pending tokens are fed first. `history` is the
/// text so far for penalties; it grows. `on_token`, when given, is called with each new token and ends generation by
/// returning false. Nothing is changed when the prompt is refused.
RETENTIVE_API GenerationResult generate(RetnetImpl& model, RetentionState& state, Sampler& sampler,
                                        std::span<const int64_t> prompt, std::vector<int64_t>& history,
                                        const GenerationOptions& options,
                                        const std::function<bool(int64_t token)>& on_token = {});

struct BeamOptions {
  int64_t num_beams = 4;
  int64_t max_new_tokens = 128;
  double length_penalty = 1;  ///< scores are log probability / length^this
  std::vector<int64_t> banned = {};
  std::vector<int64_t> stop_tokens = {};
};

struct Beam {
  std::vector<int64_t> tokens;  ///< new ones only
  double log_probability = 0;
  double score = 0;
};

/// Beam search: the `num_beams` continuations of the best scores, best first. `state` (one row) is not changed.
/// `go_on`, when given, is asked before each step and ends the search by returning false. Throws InvalidArgument for
/// the options, StateError for logits that are no numbers.
RETENTIVE_API std::vector<Beam> beam_search(RetnetImpl& model, const RetentionState& state,
                                            std::span<const int64_t> prompt, const BeamOptions& options,
                                            const std::function<bool()>& go_on = {});

/// Sequences that are decoded together, one token each a step; they join and leave at any time. With attention as mixer
/// all must be of one length.
class RETENTIVE_API BatchDecoder {
 public:
  /// `model` must outlive the object.
  explicit BatchDecoder(RetnetImpl& model) : model_(&model) {}

  /// Runs a prompt through the model and adds its row; gives the row's id.
  int64_t add(std::span<const int64_t> prompt, const SamplingOptions& sampling = {});
  /// Takes a row out; gives its state. Throws InvalidArgument for an unknown id.
  RetentionState remove(int64_t id);

  struct Token {
    int64_t id = 0;
    int64_t token = 0;
  };
  /// Chooses the next token of every row and runs them through the model together. In the order of joining.
  std::vector<Token> step();

  int64_t rows() const { return static_cast<int64_t>(rows_.size()); }

 private:
  struct Row {
    int64_t id;
    Sampler sampler;
    std::vector<int64_t> history;
    torch::Tensor logits;  ///< [V]
  };
  std::vector<int64_t> other_rows(size_t row) const;

  RetnetImpl* model_;
  RetentionState state_;
  std::vector<Row> rows_;
  int64_t next_id_ = 0;
};

}  // namespace retentive::models
