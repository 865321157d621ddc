#include <cmath>

#include <retention/ops/position.h>
#include <vision/spatial_mixer.h>

namespace retentive::vision {

RelativePositionImpl::RelativePositionImpl(int64_t channels, int64_t num_heads, double decay_init, double decay_range)
    : angle(register_buffer("angle", rotary_angles(channels / num_heads))),
      decay(register_buffer("decay", log_gamma_rmt(num_heads, decay_init, decay_range))) {}

RelativePositionImpl::~RelativePositionImpl() = default;

SpatialMixerImpl::SpatialMixerImpl(int64_t channels, int64_t num_heads)
    : num_heads_(num_heads),
      q_proj_(register_module("q_proj", nn::Linear(channels, channels))),
      k_proj_(register_module("k_proj", nn::Linear(channels, channels))),
      v_proj_(register_module("v_proj", nn::Linear(channels, channels))),
      projections_({q_proj_, k_proj_, v_proj_}),
      lepe_(register_module("lepe", DepthwiseConv(channels, 5))),
      out_proj_(register_module("out_proj", nn::Linear(channels, channels))) {}

SpatialMixerImpl::~SpatialMixerImpl() = default;

torch::Tensor SpatialMixerImpl::forward(const torch::Tensor& x, const RelativePosition& position,
                                        const nn::Epilogue& epilogue) {
  const auto to_heads = [&](const torch::Tensor& t) { return t.unflatten(-1, {num_heads_, -1}); };
  const auto projected = projections_.forward(x);
  const auto q = to_heads(projected[0]);  // [B, H, W, N, D]
  const auto k = to_heads(projected[1]);  // [B, H, W, N, D]
  const auto& v = projected[2];           // [B, H, W, C]
  const double k_scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
  const auto mixed = mix(q, k, to_heads(v), position, k_scale);            // [B, H, W, N, D]
  const auto enhanced = lepe_->forward(v, {.addend = mixed.flatten(-2)});  // [B, H, W, C]
  return out_proj_->forward(enhanced, epilogue);                           // [B, H, W, C]
}

void SpatialMixerImpl::prepare(nn::Preparation& preparation) {
  projections_.prepare(preparation, "q_proj, k_proj, v_proj");
  const auto type = preparation.activation_type();
  std::string reason;
  const auto path = implementation(type, reason);
  preparation.report("", name(), type == at::kBFloat16 ? Precision::bf16 : Precision::fp32, path, reason);
}

}  // namespace retentive::vision
