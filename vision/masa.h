#pragma once

#include <torch/torch.h>

#include <retention/base/decay_mode.h>
#include <retention/base/export.h>
#include <retention/nn/groups.h>
#include <vision/layers.h>

namespace retentive::vision {

/// Relative position of one stage: the persistent buffers `angle` [D] and `decay` [N] (log gamma). Values loaded
/// from a checkpoint win over the formula.
class RETENTIVE_API RelativePositionImpl : public torch::nn::Module {
 public:
  RelativePositionImpl(int64_t channels, int64_t num_heads, double decay_init, double decay_range);
  ~RelativePositionImpl() override;

  torch::Tensor angle;
  torch::Tensor decay;
};
TORCH_MODULE(RelativePosition);

/// Manhattan self-attention with its projections and local context enhancement (RMT, section 3.2):
/// out_proj(masa(q, k, v) + lepe(v)).
class RETENTIVE_API ManhattanAttentionImpl : public torch::nn::Module, public nn::Preparable {
 public:
  ManhattanAttentionImpl(int64_t channels, int64_t num_heads, bool decomposed, DecayMode mode);
  ~ManhattanAttentionImpl() override;

  /// x [B, H, W, C] -> [B, H, W, C].
  torch::Tensor forward(const torch::Tensor& x, const RelativePosition& position, const nn::Epilogue& epilogue);

  void prepare(nn::Preparation& preparation) override;
  /// Folds a factor per output channel [C].
  void scale_output(const torch::Tensor& factor) { out_proj_->scale_output(factor); }

 private:
  int64_t num_heads_;
  bool decomposed_;
  DecayMode mode_;
  nn::Linear q_proj_{nullptr};
  nn::Linear k_proj_{nullptr};
  nn::Linear v_proj_{nullptr};
  nn::ProjectionGroup projections_;
  DepthwiseConv lepe_{nullptr};
  nn::Linear out_proj_{nullptr};
};
TORCH_MODULE(ManhattanAttention);

}  // namespace retentive::vision
