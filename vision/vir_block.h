#pragma once

#include <memory>
#include <optional>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/drop_path.h>
#include <retention/nn/linear.h>
#include <retention/nn/norm.h>
#include <vision/vir_config.h>
#include <vision/vir_mixer.h>

namespace retentive::vision {

/// A learned factor per channel, key `gamma` [C]. The linear map before it applies it.
class RETENTIVE_API LayerScaleImpl : public torch::nn::Module {
 public:
  LayerScaleImpl(int64_t channels, double initial);
  ~LayerScaleImpl() override;

  void initialize();

  torch::Tensor gamma;

 private:
  double initial_;
};
TORCH_MODULE(LayerScale);

/// fc2(GELU(fc1(x))).
class RETENTIVE_API VirMlpImpl : public torch::nn::Module {
 public:
  VirMlpImpl(int64_t channels, int64_t hidden);
  ~VirMlpImpl() override;

  /// x [B, T, C] -> [B, T, C].
  torch::Tensor forward(const torch::Tensor& x, const nn::Epilogue& epilogue);

  /// Folds a factor per output channel [C].
  void scale_output(const torch::Tensor& factor) { fc2_->scale_output(factor); }

 private:
  nn::Linear fc1_{nullptr};
  nn::Linear fc2_{nullptr};
};
TORCH_MODULE(VirMlp);

/// One block: x += ls1 mixer(norm1 x), then x += ls2 mlp(norm2 x). Keys as in timm's ViT, with `retention` in place of
/// `attn` when the mixer is retention.
class RETENTIVE_API VirBlockImpl : public torch::nn::Module, public nn::Preparable {
 public:
  VirBlockImpl(const VirConfig& config, double drop_path);
  ~VirBlockImpl() override;

  /// x [B, T, C] -> [B, T, C]; `state` as of the mixer. A prepared block works in place.
  torch::Tensor forward(torch::Tensor x, const VirContext& context, nn::LayerState* state);

  void prepare(nn::Preparation& preparation) override;

  /// Where the block's stochastic depth draws from.
  at::Generator generator() const { return drop_path_->generator(); }

 private:
  nn::LayerNorm norm1_{nullptr};
  std::shared_ptr<VirMixerImpl> mixer_;
  LayerScale ls1_{nullptr};
  nn::LayerNorm norm2_{nullptr};
  VirMlp mlp_{nullptr};
  LayerScale ls2_{nullptr};
  nn::DropPath drop_path_{nullptr};
};
TORCH_MODULE(VirBlock);

}  // namespace retentive::vision
