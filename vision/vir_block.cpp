#include <vision/vir_block.h>

namespace retentive::vision {

using torch::Tensor;

LayerScaleImpl::LayerScaleImpl(int64_t channels, double initial)
    : gamma(register_parameter("gamma", torch::empty({channels}))), initial_(initial) {}

LayerScaleImpl::~LayerScaleImpl() = default;

void LayerScaleImpl::initialize() {
  const torch::NoGradGuard no_grad;
  gamma.fill_(initial_);
}

VirMlpImpl::VirMlpImpl(int64_t channels, int64_t hidden)
    : fc1_(register_module("fc1", nn::Linear(channels, hidden))),
      fc2_(register_module("fc2", nn::Linear(hidden, channels))) {}

VirMlpImpl::~VirMlpImpl() = default;

Tensor VirMlpImpl::forward(const Tensor& x, const nn::Epilogue& epilogue) {
  return fc2_->forward(fc1_->forward(x, {.activation = Activation::gelu}), epilogue);
}

VirBlockImpl::VirBlockImpl(const VirConfig& config, double drop_path)
    : norm1_(register_module("norm1", nn::LayerNorm(config.dim, config.norm_eps))) {
  if (config.mixer == MixerKind::retention) {
    mixer_ = register_module("retention", std::make_shared<VirRetentionImpl>(config));
  } else {
    mixer_ = register_module("attn", std::make_shared<VirAttentionImpl>(config));
  }
  const auto add_scale = [&](const char* name) {
    return config.layer_scale_init ? register_module(name, LayerScale(config.dim, *config.layer_scale_init))
                                   : LayerScale(nullptr);
  };
  ls1_ = add_scale("ls1");
  norm2_ = register_module("norm2", nn::LayerNorm(config.dim, config.norm_eps));
  mlp_ = register_module("mlp", VirMlp(config.dim, config.mlp_dim()));
  ls2_ = add_scale("ls2");
  drop_path_ = register_module("drop_path", nn::DropPath(drop_path));
  norm1_->feeds_linear();
  norm2_->feeds_linear();
}

VirBlockImpl::~VirBlockImpl() = default;

Tensor VirBlockImpl::forward(Tensor x, const VirContext& context, nn::LayerState* state) {
  const auto add_to = [this](const Tensor& residual, const LayerScale& scale) {
    return nn::Epilogue{
        .residual = residual, .scale = scale.is_empty() ? Tensor() : scale->gamma, .drop_path = drop_path_};
  };
  x = mixer_->forward(norm1_->forward(x), context, state, add_to(x, ls1_));
  x = mlp_->forward(norm2_->forward(x), add_to(x, ls2_));
  return x;  // [B, T, C]
}

void VirBlockImpl::prepare(nn::Preparation&) {
  if (ls1_.is_empty()) return;
  mixer_->scale_output(ls1_->gamma);
  mlp_->scale_output(ls2_->gamma);
}

}  // namespace retentive::vision
