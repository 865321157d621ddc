#include <vision/grad_checkpoint.h>
#include <vision/rmt.h>

namespace retentive::vision {

RmtStageImpl::RmtStageImpl(const RmtConfig& config, int64_t stage, const std::vector<double>& drop_path) {
  const auto s = static_cast<size_t>(stage);
  const auto channels = config.embed_dims[s];
  position_ = register_module(
      "Relpos", RelativePosition(channels, config.num_heads[s], config.decay_init[s], config.decay_range[s]));
  auto blocks = register_module("blocks", std::make_shared<torch::nn::Module>());
  for (int64_t b = 0; b < config.depths[s]; ++b) {
    const RmtBlockImpl::Options options{.channels = channels,
                                        .num_heads = config.num_heads[s],
                                        .ffn_dim = static_cast<int64_t>(config.mlp_ratios[s] * channels),
                                        .mixer = config.mixer,
                                        .decomposed = config.decomposed[s],
                                        .layer_scale = config.layer_scale[s],
                                        .layer_scale_init = config.layer_scale_init,
                                        .drop_path = drop_path[static_cast<size_t>(b)],
                                        .decay_mode = config.decay_mode};
    blocks_.push_back(blocks->register_module(std::to_string(b), RmtBlock(options)));
  }
  if (s + 1 < config.embed_dims.size()) {
    downsample_ = register_module("downsample", Downsample(channels, config.embed_dims[s + 1]));
  }
}

RmtStageImpl::~RmtStageImpl() = default;

torch::Tensor RmtStageImpl::forward_blocks(torch::Tensor x) {
  for (auto& block : blocks_) {
    const auto run = [block = block.ptr(), position = position_](const torch::Tensor& input) {
      return block->forward(input, position);
    };
    x = grad_checkpointing_ && is_training() ? grad_checkpoint(run, x, block->generator()) : run(x);
  }
  return x;  // [B, H, W, C]
}

torch::Tensor RmtStageImpl::downsample(const torch::Tensor& x) { return downsample_->forward(x); }

}  // namespace retentive::vision
