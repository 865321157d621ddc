#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/base/form.h>
#include <retention/nn/linear.h>
#include <retention/nn/norm.h>
#include <retention/nn/sequence.h>
#include <vision/vir_config.h>

namespace retentive::vision {

/// How and where the tokens of one call are worked on; the same for all blocks.
struct VirContext {
  Form form = Form::parallel;
  int64_t chunk = 0;         ///< tokens; chunkwise only
  torch::Tensor log_gamma;   ///< [N]
  int64_t width = 1;         ///< columns of the patch grid
  int64_t first = 0;         ///< index of the first token in the image's sequence
  bool class_token = false;  ///< the last token is the class token
};

/// The part of a block that mixes tokens.
class RETENTIVE_API VirMixerImpl : public torch::nn::Module, public nn::Preparable {
 public:
  ~VirMixerImpl() override;

  /// x [B, T, C] -> [B, T, C] with the epilogue. `state`, unless null, is what came before and receives what comes
  /// after; empty before the first token.
  virtual torch::Tensor forward(const torch::Tensor& x, const VirContext& context, nn::LayerState* state,
                                const nn::Epilogue& epilogue) = 0;

  /// Folds a factor per output channel [C].
  virtual void scale_output(const torch::Tensor& factor) = 0;
};

/// Multi-head retention of ViR: q, k, v of one linear map, retention with q scaled by D^-0.5, the heads side by side,
/// then out_proj, or out_proj(GELU(ln(.))). No rotary, gate or norm of heads. Keys `qkv`, `out_proj` and `ln`.
class RETENTIVE_API VirRetentionImpl : public VirMixerImpl {
 public:
  explicit VirRetentionImpl(const VirConfig& config);
  ~VirRetentionImpl() override;

  torch::Tensor forward(const torch::Tensor& x, const VirContext& context, nn::LayerState* state,
                        const nn::Epilogue& epilogue) override;
  void scale_output(const torch::Tensor& factor) override { out_proj_->scale_output(factor); }
  void prepare(nn::Preparation& preparation) override;

  /// The heads' results before the last linear map: qkv(x) [B, T, 3 * C] -> [B, T, N, D].
  torch::Tensor retain(const torch::Tensor& qkv, const VirContext& context, nn::LayerState* state) const;

 private:
  int64_t num_heads_;
  int64_t decay_dims_;
  bool release_softmax_;
  nn::Linear qkv_{nullptr};
  nn::Linear out_proj_{nullptr};
  nn::LayerNorm ln_{nullptr};
};
TORCH_MODULE(VirRetention);

/// Softmax attention among all tokens, as in a ViT. Keys `qkv`, `proj`. It has no state and one form.
class RETENTIVE_API VirAttentionImpl : public VirMixerImpl {
 public:
  explicit VirAttentionImpl(const VirConfig& config);
  ~VirAttentionImpl() override;

  torch::Tensor forward(const torch::Tensor& x, const VirContext& context, nn::LayerState* state,
                        const nn::Epilogue& epilogue) override;
  void scale_output(const torch::Tensor& factor) override { proj_->scale_output(factor); }
  void prepare(nn::Preparation& preparation) override;

 private:
  /// q, k, v [B, T, N, D] -> [B, T, N, D].
  torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v) const;

  int64_t num_heads_;
  int64_t head_dim_;
  torch::Tensor no_decay_;     ///< zeros [N], of a prepared layer
  torch::Tensor no_rotation_;  ///< zeros [D], likewise
  nn::Linear qkv_{nullptr};
  nn::Linear proj_{nullptr};
};
TORCH_MODULE(VirAttention);

}  // namespace retentive::vision
