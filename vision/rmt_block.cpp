#include <tuple>

#include <retention/nn/drop_path.h>
#include <vision/masa.h>
#include <vision/rmt.h>
#include <vision/scan_retention.h>

namespace retentive::vision {
namespace {

std::shared_ptr<SpatialMixerImpl> mixer_of(const RmtBlockImpl::Options& options) {
  if (options.mixer == RmtMixer::retention) {
    return std::make_shared<ScanRetentionImpl>(options.channels, options.num_heads);
  }
  return std::make_shared<ManhattanAttentionImpl>(options.channels, options.num_heads, options.decomposed,
                                                  options.decay_mode);
}

}  // namespace

RmtBlockImpl::RmtBlockImpl(const Options& options)
    : layer_scale_init_(options.layer_scale_init),
      retention_layer_norm_(register_module("retention_layer_norm", nn::LayerNorm(options.channels, 1e-6))),
      retention_(register_module("retention", mixer_of(options))),
      final_layer_norm_(register_module("final_layer_norm", nn::LayerNorm(options.channels, 1e-6))),
      ffn_(register_module("ffn", ConvFeedForward(options.channels, options.ffn_dim))),
      pos_(register_module("pos", DepthwiseConv(options.channels, 3))),
      position_norm_(pos_->conv(), retention_layer_norm_),
      drop_path_(register_module("drop_path", nn::DropPath(options.drop_path))) {
  retention_layer_norm_->feeds_linear();
  final_layer_norm_->feeds_linear();
  if (options.layer_scale) {
    gamma_1_ = register_parameter("gamma_1", torch::empty({1, 1, 1, options.channels}));
    gamma_2_ = register_parameter("gamma_2", torch::empty({1, 1, 1, options.channels}));
  }
}

RmtBlockImpl::~RmtBlockImpl() = default;

torch::Tensor RmtBlockImpl::forward(torch::Tensor x, const RelativePosition& position) {
  torch::Tensor normed;
  std::tie(x, normed) = position_norm_.forward(x);
  x = retention_->forward(normed, position, {.residual = x, .scale = gamma_1_, .drop_path = drop_path_});
  x = ffn_->forward(final_layer_norm_->forward(x), {.residual = x, .scale = gamma_2_, .drop_path = drop_path_});
  return x;  // [B, H, W, C]
}

void RmtBlockImpl::prepare(nn::Preparation&) {
  if (!gamma_1_.defined()) return;
  retention_->scale_output(gamma_1_.flatten());
  ffn_->scale_output(gamma_2_.flatten());
}

void RmtBlockImpl::initialize() {
  if (!gamma_1_.defined()) return;
  torch::NoGradGuard no_grad;
  gamma_1_.fill_(layer_scale_init_);
  gamma_2_.fill_(layer_scale_init_);
}

}  // namespace retentive::vision
