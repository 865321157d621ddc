#include <cmath>

#include <models/retnet.h>
#include <retention/nn/causal_attention.h>
#include <retention/nn/multi_scale_retention.h>

namespace retentive::models {
namespace {

std::shared_ptr<nn::TokenMixerImpl> make_mixer(const RetnetConfig& config) {
  if (config.mixer == MixerKind::attention) {
    return std::make_shared<nn::CausalAttentionImpl>(
        nn::AttentionLayerOptions{config.dim, config.value_dim, config.num_heads, config.rotary()});
  }
  nn::RetentionLayerOptions options;
  options.dim = config.dim;
  options.value_dim = config.value_dim;
  options.num_heads = config.num_heads;
  options.rotary = config.rotary();
  options.affine_norm = config.dialect == RetnetDialect::fla;
  return std::make_shared<nn::MultiScaleRetentionImpl>(options);
}

}  // namespace

RetnetBlockImpl::RetnetBlockImpl(const RetnetConfig& config, double drop_path_rate)
    : pre_norm_(config.pre_norm),
      alpha_(config.deepnorm ? std::pow(2.0 * static_cast<double>(config.num_layers), 0.25) : 1),
      mixer_(register_module("retention", make_mixer(config))),
      retention_layer_norm_(register_module("retention_layer_norm", nn::RmsNorm(config.dim, config.norm_eps))),
      ffn_(register_module(
          "ffn",
          nn::GatedFeedForward(config.dim, config.ffn_dim,
                               config.activation == RetnetActivation::swish ? Activation::silu : Activation::gelu))),
      final_layer_norm_(register_module("final_layer_norm", nn::RmsNorm(config.dim, config.norm_eps))) {
  if (config.dropout > 0) dropout_ = register_module("dropout", nn::Dropout(config.dropout));
  if (drop_path_rate > 0) drop_path_ = register_module("drop_path", nn::DropPath(drop_path_rate));
  for (nn::RmsNorm norm : {retention_layer_norm_, final_layer_norm_}) {
    if (pre_norm_) {
      norm->feeds_linear();
    } else {
      norm->keep_output_float();
    }
  }
}

RetnetBlockImpl::~RetnetBlockImpl() = default;

torch::Tensor RetnetBlockImpl::forward(const torch::Tensor& x, const nn::SequenceContext& context,
                                       nn::LayerState* state) {
  const auto onto = [&](const torch::Tensor& stream) {
    return nn::Epilogue{
        .residual = alpha_ == 1 ? stream : stream * alpha_, .dropout = dropout_, .drop_path = drop_path_};
  };
  if (pre_norm_) {
    const auto y = mixer_->forward(retention_layer_norm_->forward(x), context, state, onto(x));
    return ffn_->forward(final_layer_norm_->forward(y), onto(y));
  }
  const auto y = retention_layer_norm_->forward(mixer_->forward(x, context, state, onto(x)));
  return final_layer_norm_->forward(ffn_->forward(y, onto(y)));
}

void RetnetBlockImpl::initialize(double residual_divisor, at::Generator generator) {
  mixer_->initialize(residual_divisor, generator);
  ffn_->initialize(residual_divisor, generator);
  retention_layer_norm_->initialize();
  final_layer_norm_->initialize();
}

void RetnetBlockImpl::set_generator(const at::Generator& generator) {
  if (!dropout_.is_empty()) dropout_->set_generator(generator);
  if (!drop_path_.is_empty()) drop_path_->set_generator(generator);
}

}  // namespace retentive::models
