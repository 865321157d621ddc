#pragma once

#include <torch/torch.h>

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

/// What mixes the tokens of an RMT block, with its projections and local context enhancement (RMT, section 3.2):
/// out_proj(mix(q, k, v) + lepe(v)).
class RETENTIVE_API SpatialMixerImpl : public torch::nn::Module, public nn::Preparable {
 public:
  SpatialMixerImpl(int64_t channels, int64_t num_heads);
  ~SpatialMixerImpl() override;

  /// x [B, H, W, C] -> [B, H, W, C].
  torch::Tensor forward(const torch::Tensor& x, const RelativePosition& position, const nn::Epilogue& epilogue);

  void prepare(nn::Preparation& preparation) override;
  /// Folds a factor per output channel [C].
  void scale_output(const torch::Tensor& factor) { out_proj_->scale_output(factor); }

 private:
  /// q, k, v [B, H, W, N, D], not rotated, k not scaled -> [B, H, W, N, D].
  virtual torch::Tensor mix(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                            const RelativePosition& position, double k_scale) const = 0;
  virtual std::string name() const = 0;
  /// As retention_implementation() and masa_implementation().
  virtual std::string implementation(at::ScalarType type, std::string& reason) const = 0;

  int64_t num_heads_;
  nn::Linear q_proj_{nullptr};
  nn::Linear k_proj_{nullptr};
  nn::Linear v_proj_{nullptr};
  nn::ProjectionGroup projections_;
  DepthwiseConv lepe_{nullptr};
  nn::Linear out_proj_{nullptr};
};

}  // namespace retentive::vision
