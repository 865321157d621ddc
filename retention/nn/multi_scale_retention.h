#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/groups.h>
#include <retention/nn/linear.h>
#include <retention/nn/sequence.h>

namespace retentive::nn {

struct RetentionLayerOptions {
  int64_t dim = 0;        ///< C
  int64_t value_dim = 0;  ///< of all heads together
  int64_t num_heads = 0;
  RotaryStyle rotary = RotaryStyle::interleaved;
  bool affine_norm = false;  ///< the head norm has a weight, one for all heads
};

/// Gated multi-scale retention (RetNet, section 2.2): out_proj(head_norm(retention(q, k, v)) * silu(g)). Keys
/// `q_proj`, `k_proj`, `v_proj`, `g_proj`, `out_proj` and, when affine, `g_norm`; no biases.
class RETENTIVE_API MultiScaleRetentionImpl : public TokenMixerImpl, public Preparable, public Frozen {
 public:
  explicit MultiScaleRetentionImpl(const RetentionLayerOptions& options);
  ~MultiScaleRetentionImpl() override;

  torch::Tensor forward(const torch::Tensor& x, const SequenceContext& context, LayerState* state,
                        const Epilogue& epilogue) override;
  void initialize(double residual_divisor, at::Generator generator) override;
  void prepare(Preparation& preparation) override;
  void train(bool on = true) override;

 private:
  torch::Tensor retain(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                       const SequenceContext& context, LayerState* state) const;

  RetentionLayerOptions options_;
  double k_scale_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, g_proj_{nullptr}, out_proj_{nullptr};
  torch::Tensor norm_weight_;
  ProjectionGroup projections_;
};
TORCH_MODULE(MultiScaleRetention);

}  // namespace retentive::nn
