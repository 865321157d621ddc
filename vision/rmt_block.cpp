#include <retention/nn/drop_path.h>
#include <vision/rmt.h>

namespace retentive::vision {

RmtBlockImpl::RmtBlockImpl(const Options& options)
    : layer_scale_init_(options.layer_scale_init),
      retention_layer_norm_(register_module("retention_layer_norm", nn::LayerNorm(options.channels, 1e-6))),
      retention_(register_module("retention", ManhattanAttention(options.channels, options.num_heads,
                                                                 options.decomposed, options.decay_mode))),
      final_layer_norm_(register_module("final_layer_norm", nn::LayerNorm(options.channels, 1e-6))),
      ffn_(register_module("ffn", ConvFeedForward(options.channels, options.ffn_dim))),
      pos_(register_module("pos", DepthwiseConv(options.channels, 3))),
      drop_path_(register_module("drop_path", nn::DropPath(options.drop_path))) {
  if (options.layer_scale) {
    gamma_1_ = register_parameter("gamma_1", torch::empty({1, 1, 1, options.channels}));
    gamma_2_ = register_parameter("gamma_2", torch::empty({1, 1, 1, options.channels}));
  }
}

RmtBlockImpl::~RmtBlockImpl() = default;

torch::Tensor RmtBlockImpl::forward(torch::Tensor x, const RelativePosition& position) {
  x = x + pos_->forward(x);
  x = x + drop_path_->forward(scale(retention_->forward(retention_layer_norm_->forward(x), position), gamma_1_));
  x = x + drop_path_->forward(scale(ffn_->forward(final_layer_norm_->forward(x)), gamma_2_));
  return x;  // [B, H, W, C]
}

void RmtBlockImpl::initialize() {
  if (!gamma_1_.defined()) return;
  torch::NoGradGuard no_grad;
  gamma_1_.fill_(layer_scale_init_);
  gamma_2_.fill_(layer_scale_init_);
}

torch::Tensor RmtBlockImpl::scale(const torch::Tensor& branch, const torch::Tensor& gamma) const {
  return gamma.defined() ? branch * gamma : branch;
}

}  // namespace retentive::vision
