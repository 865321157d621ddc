#include <cmath>

#include <retention/ops/grid_retention.h>
#include <retention/ops/masa.h>
#include <retention/ops/retention.h>
#include <vision/vir_mixer.h>

namespace retentive::vision {
namespace {

using torch::Tensor;

GridRetentionResult retain_on_grid(const Tensor& q, const Tensor& k, const Tensor& v, const VirContext& context,
                                   double k_scale, const nn::LayerState* state) {
  GridRetentionOptions call{.form = context.form,
                            .tokens = {.width = context.width, .class_token = context.class_token},
                            .chunk = context.chunk,
                            .column = context.first % context.width,
                            .k_scale = k_scale};
  call.overwrite_state = state != nullptr;
  if (state != nullptr && !state->tensors.empty()) call.state = {state->tensors[0], state->tensors[1]};
  return grid_retention(q, k, v, context.log_gamma, call);
}

}  // namespace

VirMixerImpl::~VirMixerImpl() = default;

VirRetentionImpl::VirRetentionImpl(const VirConfig& config)
    : num_heads_(config.num_heads),
      decay_dims_(config.decay_dims),
      release_softmax_(config.release_softmax),
      qkv_(register_module("qkv", nn::Linear(config.dim, 3 * config.dim))),
      out_proj_(register_module("out_proj", nn::Linear(config.dim, config.dim))) {
  if (config.epilogue == VirEpilogue::norm_gelu_linear) {
    ln_ = register_module("ln", nn::LayerNorm(config.dim, config.norm_eps));
  }
}

VirRetentionImpl::~VirRetentionImpl() = default;

Tensor VirRetentionImpl::forward(const Tensor& x, const VirContext& context, nn::LayerState* state,
                                 const nn::Epilogue& epilogue) {
  auto y = retain(qkv_->forward(x), context, state).flatten(-2);  // [B, T, C]
  if (!ln_.is_empty()) y = torch::gelu(ln_->forward(y));
  return out_proj_->forward(y, epilogue);
}

Tensor VirRetentionImpl::retain(const Tensor& qkv, const VirContext& context, nn::LayerState* state) const {
  const auto parts = qkv.unflatten(-1, {3, num_heads_, -1}).unbind(2);  // 3 of [B, T, N, D]
  const auto &q = parts[0], &k = parts[1], &v = parts[2];
  const double k_scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  if (release_softmax_) {
    std::optional<GridTokens> grid;
    if (decay_dims_ == 2) grid = GridTokens{.width = context.width, .class_token = context.class_token};
    return release_softmax_retention(q, k, v, context.log_gamma, k_scale, grid);
  }
  if (decay_dims_ == 2) {
    const auto result = retain_on_grid(q, k, v, context, k_scale, state);
    if (state != nullptr) state->tensors = {result.state.columns, result.state.row};
    return result.out;
  }
  RetentionOptions call{.form = context.form, .chunk = context.chunk, .k_scale = k_scale};
  call.overwrite_state = state != nullptr;
  if (state != nullptr && !state->tensors.empty()) call.state = state->tensors.front();
  const auto result = causal_retention(q, k, v, context.log_gamma, call);
  if (state != nullptr) state->tensors = {result.state};
  return result.out;
}

void VirRetentionImpl::prepare(nn::Preparation& preparation) {
  if (release_softmax_ || decay_dims_ == 2) {
    preparation.report("", release_softmax_ ? "retention with softmax" : "retention 2-D", Precision::fp32, "ATen",
                       "no kernel for this kind of retention");
    return;
  }
  const auto type = preparation.activation_type();
  std::string reason;
  const auto implementation = retention_implementation(type, reason);
  preparation.report("", "retention", type == at::kBFloat16 ? Precision::bf16 : Precision::fp32, implementation,
                     reason);
}

VirAttentionImpl::VirAttentionImpl(const VirConfig& config)
    : num_heads_(config.num_heads),
      head_dim_(config.head_dim()),
      qkv_(register_module("qkv", nn::Linear(config.dim, 3 * config.dim))),
      proj_(register_module("proj", nn::Linear(config.dim, config.dim))) {}

VirAttentionImpl::~VirAttentionImpl() = default;

Tensor VirAttentionImpl::forward(const Tensor& x, const VirContext&, nn::LayerState*, const nn::Epilogue& epilogue) {
  const auto parts = qkv_->forward(x).unflatten(-1, {3, num_heads_, -1}).unbind(2);   // 3 of [B, T, N, D]
  return proj_->forward(attend(parts[0], parts[1], parts[2]).flatten(-2), epilogue);  // [B, T, C]
}

// Softmax attention is MaSA without decay and rotation, whose kernel is several times as fast as ATen's.
Tensor VirAttentionImpl::attend(const Tensor& q, const Tensor& k, const Tensor& v) const {
  if (!no_decay_.defined()) {
    return torch::scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        .transpose(1, 2);  // [B, T, N, D]
  }
  const double k_scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  const auto row = [](const Tensor& x) { return x.unsqueeze(1); };  // [B, 1, T, N, D]
  return masa(row(q), row(k), row(v), no_decay_, no_rotation_, k_scale, DecayMode::release).squeeze(1);
}

void VirAttentionImpl::prepare(nn::Preparation& preparation) {
  const auto type = preparation.activation_type();
  std::string reason;
  const auto implementation = masa_implementation(type, reason);
  preparation.report("", "softmax attention", type == at::kBFloat16 ? Precision::bf16 : Precision::fp32, implementation,
                     reason);
  no_decay_ = torch::zeros(num_heads_);
  no_rotation_ = torch::zeros(head_dim_);
}

}  // namespace retentive::vision
