#pragma once

#include <cstdint>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/base/form.h>
#include <retention/nn/epilogue.h>

namespace retentive::nn {

/// What all layers of one forward pass over token sequences share.
struct SequenceContext {
  Form form = Form::parallel;
  int64_t chunk = 512;
  Normalization normalization = Normalization::exact;
  torch::Tensor log_gamma;     ///< [N]
  torch::Tensor sin = {};      ///< of each token's rotary phases, [B, T, Dk / 2]
  torch::Tensor cos = {};      ///< likewise
  torch::Tensor row_eps = {};  ///< eps s_n of each token and head, [B, T, N]
  torch::Tensor ranges = {};   ///< see RetentionOptions
};

/// Fills sin, cos and row_eps for tokens at `positions`, int64 [B, T]; log_gamma and normalization must be set. `angle`
/// [Dk] are the rotary angles of `style`. The row scalars of normalization exact are in row_eps unless `scaled` is
/// false, as for models that have none.
RETENTIVE_API void place_tokens(SequenceContext& context, const torch::Tensor& positions, const torch::Tensor& angle,
                                RotaryStyle style, double eps, bool scaled);

/// What one layer remembers of the tokens so far: retention's state [S, N, Dk, Dv], or keys and values
/// [S, N, capacity, D] of attention.
struct LayerState {
  std::vector<torch::Tensor> tensors;
};

/// The part of a block that mixes tokens.
class RETENTIVE_API TokenMixerImpl : public torch::nn::Module {
 public:
  ~TokenMixerImpl() override;

  /// x [B, T, C] -> [B, T, C] with the epilogue. `state`, unless null, is what came before and receives what comes
  /// after; empty before the first token.
  virtual torch::Tensor forward(const torch::Tensor& x, const SequenceContext& context, LayerState* state,
                                const Epilogue& epilogue) = 0;

  /// Initial weights; those that end in the residual stream are divided by `residual_divisor`.
  virtual void initialize(double residual_divisor, at::Generator generator) = 0;
};

}  // namespace retentive::nn
