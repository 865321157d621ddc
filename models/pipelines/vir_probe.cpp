#include <models/pipelines/detail/backbone_probe.h>
#include <vision/vir.h>

namespace retentive::models {
namespace {

using torch::Tensor;
using vision::VirImpl;

std::string path(int64_t block) { return "blocks." + std::to_string(block) + "."; }

class VirProbe : public BackboneProbe {
 public:
  explicit VirProbe(std::shared_ptr<VirImpl> vir) : vir_(std::move(vir)) {}

  int64_t stages() const override { return 1; }
  int64_t blocks(int64_t) const override { return config().depth; }

  vision::ShapeSpec grid(int64_t height, int64_t width, int64_t) const override {
    return vir_->output_shape(height, width).front();
  }

  DecayLaw decay(int64_t) const override {
    if (!retains()) return {};
    const auto any_image = torch::zeros({1, config().in_channels, 1, 1});
    return {config().decay_dims == 2 ? Reach::rectangle : Reach::sequence,
            vir_->forward_to_block(any_image, 0).context.log_gamma};
  }

  bool mixes_by_weights() const override { return true; }

  Tensor map_after(const Tensor& image, int64_t, int64_t block) const override {
    const auto [tokens, context] = vir_->forward_to_block(image, block + 1);
    return tokens.narrow(1, 0, tokens.size(1) - 1).unflatten(1, {-1, context.width});  // [1, h, w, C]
  }

  TokenMixing mixing(const Tensor& image, int64_t, int64_t block) const override {
    const auto [tokens, context] = vir_->forward_to_block(image, block);
    const auto mixer = path(block) + (retains() ? "retention" : "attn");
    const auto x = part_of<nn::LayerNormImpl>(*vir_, path(block) + "norm1")->forward(tokens);
    const auto qkv = part_of<nn::LinearImpl>(*vir_, mixer + ".qkv")->forward(x);  // [1, T, 3 C]
    const auto parts = qkv.unflatten(-1, {3, config().num_heads, -1}).unbind(2);  // 3 of [1, T, N, D]
    const auto retention = part_of<vision::VirRetentionImpl>(*vir_, mixer);
    const auto mix = [q = parts[0], k = parts[1], retention, call = context](const Tensor& values) {
      if (retention) return retention->retain(torch::stack({q, k, values}, 2).flatten(2), call, nullptr);
      const auto heads_first = [](const Tensor& t) { return t.transpose(1, 2); };  // [1, N, T, D]
      const auto mixed = torch::scaled_dot_product_attention(heads_first(q), heads_first(k), heads_first(values));
      return mixed.transpose(1, 2);
    };
    TokenMixing mixing;
    mixing.values = parts[2][0];
    mixing.outputs = mix(parts[2])[0];
    mixing.weights = [mix, values = parts[2], width = context.width](int64_t row, int64_t column) {
      return mixing_weights(mix, values, row * width + column);
    };
    mixing.is_signed = retains() && !config().release_softmax;
    return mixing;
  }

  // After the last block a classifier that reads the class token sees no other any more.
  int64_t last_class_block() const override { return config().depth - (reads_class_token() ? 2 : 1); }

  ClassEvidence evidence(const Tensor& image, int64_t, int64_t block) const override {
    const auto [features, context] = input_of(image, block + 1);
    auto x = features;
    for (int64_t b = block + 1; b < config().depth; ++b) {
      x = part_of<vision::VirBlockImpl>(*vir_, "blocks." + std::to_string(b))->forward(x, context, nullptr);
    }
    if (reads_class_token()) x = part_of<nn::LayerNormImpl>(*vir_, "norm")->forward(x);
    return {features, vir_->forward_head(x)};
  }

 private:
  const vision::VirConfig& config() const { return vir_->config(); }
  bool retains() const { return config().mixer == MixerKind::retention; }
  bool reads_class_token() const { return config().pool == vision::VirPool::token_last; }

  vision::VirBlockInput input_of(const Tensor& image, int64_t block) const {
    const torch::NoGradGuard guard;
    auto input = vir_->forward_to_block(image, block);
    input.tokens.requires_grad_();
    return input;
  }

  std::shared_ptr<VirImpl> vir_;
};

}  // namespace

std::unique_ptr<BackboneProbe> probe_vir(const std::shared_ptr<vision::BackboneImpl>& backbone) {
  auto vir = std::dynamic_pointer_cast<VirImpl>(backbone);
  return vir ? std::make_unique<VirProbe>(std::move(vir)) : nullptr;
}

}  // namespace retentive::models
