#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <models/retention_state.h>
#include <models/retnet_config.h>
#include <retention/base/export.h>
#include <retention/nn/gated_feed_forward.h>
#include <retention/nn/inference.h>
#include <retention/nn/sequence.h>
#include <vision/backbone.h>

namespace retentive::models {

/// How one call runs through the sequence.
struct SequenceCall {
  Form form = Form::auto_;
  int64_t chunk = 0;                                          ///< 0 = the configuration's chunk_size
  std::optional<Normalization> normalization = std::nullopt;  ///< the configuration's unless given
  /// int64 [S, 2] into the flattened tokens, see RetentionOptions: rows of different length, padded or packed. Logits
  /// of tokens of no sequence are meaningless.
  torch::Tensor ranges = {};
};

/// One block: token mixer and feed-forward, each with its norm and residual sum (RetNet, equation 9).
class RETENTIVE_API RetnetBlockImpl : public torch::nn::Module {
 public:
  RetnetBlockImpl(const RetnetConfig& config, double drop_path_rate);
  ~RetnetBlockImpl() override;

  /// x [B, T, C] -> [B, T, C].
  torch::Tensor forward(const torch::Tensor& x, const nn::SequenceContext& context, nn::LayerState* state);
  void initialize(double residual_divisor, at::Generator generator);
  void set_generator(const at::Generator& generator);

 private:
  bool pre_norm_;
  double alpha_;
  std::shared_ptr<nn::TokenMixerImpl> mixer_;
  nn::RmsNorm retention_layer_norm_{nullptr};
  nn::GatedFeedForward ffn_{nullptr};
  nn::RmsNorm final_layer_norm_{nullptr};
  nn::Dropout dropout_{nullptr};
  nn::DropPath drop_path_{nullptr};
};
TORCH_MODULE(RetnetBlock);

/// The buffers of a RetNet: `angle` [Dk] of the rotary phases, `decay` [N] = log gamma.
class RETENTIVE_API RetnetRelPosImpl : public torch::nn::Module {
 public:
  explicit RetnetRelPosImpl(const RetnetConfig& config);
  ~RetnetRelPosImpl() override;

  torch::Tensor angle;
  torch::Tensor decay;
};
TORCH_MODULE(RetnetRelPos);

/// RetNet language model (Sun et al., 2023). Parameter names are those of torchscale's RetNetDecoder.
class RETENTIVE_API RetnetImpl : public torch::nn::Module, public nn::Preparable {
 public:
  explicit RetnetImpl(const RetnetConfig& config);
  ~RetnetImpl() override;

  /// tokens int64 [B, T] -> logits [B, T, V]. `state`, unless null, holds what came before (rows = B, or S with
  /// ranges) and receives what comes after. Throws InvalidArgument for tokens outside the vocabulary, shapes that do
  /// not fit, and normalization torchscale with a state, ranges or the automatic form.
  torch::Tensor forward(const torch::Tensor& tokens, RetentionState* state = nullptr, const SequenceCall& call = {});

  /// As forward, but the last hidden vectors after the final norm: [B, T, C].
  torch::Tensor forward_features(const torch::Tensor& tokens, RetentionState* state = nullptr,
                                 const SequenceCall& call = {});
  /// Hidden vectors [..., C] -> logits [..., V], float.
  torch::Tensor forward_head(const torch::Tensor& features);

  /// The form that `auto_` stands for: recurrent for one token, parallel for up to one chunk, else chunkwise.
  Form resolve(Form form, int64_t tokens) const;

  /// Throws StateError unless `state` has the layers, shapes and types of this model's states.
  void check_state(const RetentionState& state) const;

  /// Before the first token of `rows` sequences.
  RetentionState new_state(int64_t rows) const { return {rows, config_.num_layers}; }

  /// As the paper and the official code say. Until this or a checkpoint load, weights are uninitialised memory.
  void initialize(at::Generator generator);
  /// Trainable parameters; matrices are decayed, vectors and the embedding are not.
  std::vector<vision::ParameterGroup> parameter_groups() const;
  /// Source of randomness for dropout and stochastic depth in training mode.
  void set_generator(const at::Generator& generator);
  void prepare(nn::Preparation& preparation) override;

  const RetnetConfig& config() const { return config_; }

 private:
  nn::SequenceContext context_of(const torch::Tensor& tokens, const RetentionState* state,
                                 const SequenceCall& call) const;
  torch::Tensor embed(const torch::Tensor& tokens);

  RetnetConfig config_;
  torch::nn::Embedding embed_tokens_{nullptr};
  nn::RmsNorm layernorm_embedding_{nullptr};
  std::vector<RetnetBlock> blocks_;
  nn::RmsNorm layer_norm_{nullptr};
  nn::Linear output_projection_{nullptr};
  RetnetRelPos retnet_rel_pos_{nullptr};
  nn::Dropout dropout_{nullptr};
};
TORCH_MODULE(Retnet);

}  // namespace retentive::models
