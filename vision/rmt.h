#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/base/form.h>
#include <retention/base/retention_cost.h>
#include <retention/nn/drop_path.h>
#include <retention/nn/groups.h>
#include <vision/backbone.h>
#include <vision/layers.h>
#include <vision/rmt_config.h>
#include <vision/spatial_mixer.h>

namespace retentive::vision {

/// One RMT block: conditional position encoding, MaSA and feed-forward, each a residual (RMT, figure 3).
class RETENTIVE_API RmtBlockImpl : public torch::nn::Module, public nn::Preparable {
 public:
  struct Options {
    int64_t channels = 64;
    int64_t num_heads = 4;
    int64_t ffn_dim = 192;
    RmtMixer mixer = RmtMixer::masa;
    bool decomposed = true;
    bool layer_scale = false;
    double layer_scale_init = 1e-6;
    double drop_path = 0.0;
    DecayMode decay_mode = DecayMode::release;
  };

  explicit RmtBlockImpl(const Options& options);
  ~RmtBlockImpl() override;

  /// x [B, H, W, C] -> [B, H, W, C].
  torch::Tensor forward(torch::Tensor x, const RelativePosition& position);

  void prepare(nn::Preparation& preparation) override;

  /// Sets the layer scale, where there is one, to its initial value.
  void initialize();

  /// Where the block's stochastic depth draws from.
  at::Generator generator() const { return drop_path_->generator(); }

 private:
  double layer_scale_init_;
  torch::Tensor gamma_1_;
  torch::Tensor gamma_2_;
  nn::LayerNorm retention_layer_norm_{nullptr};
  std::shared_ptr<SpatialMixerImpl> retention_;
  nn::LayerNorm final_layer_norm_{nullptr};
  ConvFeedForward ffn_{nullptr};
  DepthwiseConv pos_{nullptr};
  nn::ResidualConvNormGroup position_norm_;
  nn::DropPath drop_path_{nullptr};
};
TORCH_MODULE(RmtBlock);

/// One stage: blocks that share a relative position, then (except in the last stage) a downsampling.
class RETENTIVE_API RmtStageImpl : public torch::nn::Module {
 public:
  RmtStageImpl(const RmtConfig& config, int64_t stage, const std::vector<double>& drop_path);
  ~RmtStageImpl() override;

  /// x [B, H, W, C] -> [B, H, W, C]: the blocks alone.
  torch::Tensor forward_blocks(torch::Tensor x);

  /// x [B, H, W, C] -> [B, ceil(H/2), ceil(W/2), C_next].
  torch::Tensor downsample(const torch::Tensor& x);

  void set_grad_checkpointing(bool enabled) { grad_checkpointing_ = enabled; }

 private:
  bool grad_checkpointing_ = false;
  RelativePosition position_{nullptr};
  std::vector<RmtBlock> blocks_;
  Downsample downsample_{nullptr};
};
TORCH_MODULE(RmtStage);

/// A rectangle of 8x8-token units at the stem's output, mixed between a batch and its reverse in token-label training.
struct MixBox {
  int64_t top = 0, left = 0, bottom = 0, right = 0;  ///< in units; bottom and right are exclusive
};

/// Logits of a token-label model: class token-free `cls_logits` [B, classes] and per-token `aux_logits`
/// [B, h*w, classes].
struct TokenLabelLogits {
  torch::Tensor cls_logits;
  torch::Tensor aux_logits;
};

/// RMT (Fan et al., CVPR 2024; the released code): a four-stage backbone of Manhattan self-attention, with
/// classifier, token-label or no head. Parameter names are those of the official checkpoints.
class RETENTIVE_API RmtImpl : public BackboneImpl, public nn::Preparable {
 public:
  /// Throws ConfigError when the configuration is not a possible RMT.
  explicit RmtImpl(const RmtConfig& config);
  ~RmtImpl() override;

  torch::Tensor forward_features(const torch::Tensor& image) override;
  torch::Tensor forward_head(const torch::Tensor& features, bool pre_logits = false) override;
  std::vector<torch::Tensor> forward_intermediates(const torch::Tensor& image, const std::vector<int64_t>& indices,
                                                   Layout layout = Layout::nchw) override;
  std::vector<FeatureInfo> feature_info() const override;
  std::vector<ShapeSpec> output_shape(int64_t height, int64_t width) const override;
  int64_t macs(int64_t height, int64_t width) const override;
  int64_t useful_macs(int64_t height, int64_t width) const override;
  int64_t size_divisibility() const override { return 1; }
  void reset_classifier(int64_t num_classes, at::Generator generator) override;
  void initialize(at::Generator generator) override;
  int64_t layer_of(const std::string& parameter_name) const override;
  int64_t num_layers() const override;
  void set_grad_checkpointing(bool enabled) override;
  void prepare(nn::Preparation& preparation) override;

  /// How a model with mixer retention runs through its tokens from now on; the result is the same. Throws Unsupported
  /// for any but `auto_` where the mixer is MaSA, which has no such forms.
  void set_form(Form form);

  /// The maps of `out_indices` as [B, C, h, w]; a model without head normalises each by its extra LayerNorm.
  std::vector<torch::Tensor> forward_pyramid(const torch::Tensor& image);

  /// Both logits of a token-label model. With `mix`, the box of the stem's map is exchanged with the reversed batch
  /// and the auxiliary logits are exchanged back, as token-label training does; both sides of the stem's map must then
  /// be multiples of 8. Throws StateError when the model has no auxiliary head.
  TokenLabelLogits forward_token_label(const torch::Tensor& image, const std::optional<MixBox>& mix = std::nullopt);

  const RmtConfig& config() const { return config_; }

 private:
  int64_t count_macs(int64_t height, int64_t width, MaskedProducts masked) const;
  torch::Tensor run_stem(const torch::Tensor& image);
  torch::Tensor run_stages(torch::Tensor x);
  torch::Tensor pool(const torch::Tensor& tokens);

  RmtConfig config_;
  Form form_ = Form::auto_;
  ConvStem patch_embed_{nullptr};
  std::vector<RmtStage> stages_;
  nn::Linear proj_{nullptr};
  nn::BatchNorm norm_{nullptr};
  nn::LinearBnGroup projection_;
  nn::Linear head_{nullptr};
  nn::Linear aux_head_{nullptr};
  std::vector<nn::LayerNorm> extra_norms_;
};
TORCH_MODULE(Rmt);

}  // namespace retentive::vision
