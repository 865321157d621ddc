#include <cmath>

#include <retention/nn/multi_scale_retention.h>
#include <retention/ops/head_norm.h>
#include <retention/ops/retention.h>

namespace retentive::nn {

MultiScaleRetentionImpl::MultiScaleRetentionImpl(const RetentionLayerOptions& options)
    : options_(options),
      k_scale_(1 / std::sqrt(static_cast<double>(options.dim / options.num_heads))),
      q_proj_(register_module("q_proj", Linear(options.dim, options.dim, false))),
      k_proj_(register_module("k_proj", Linear(options.dim, options.dim, false))),
      v_proj_(register_module("v_proj", Linear(options.dim, options.value_dim, false))),
      g_proj_(register_module("g_proj", Linear(options.dim, options.value_dim, false))),
      out_proj_(register_module("out_proj", Linear(options.value_dim, options.dim, false))),
      projections_({q_proj_, k_proj_, v_proj_, g_proj_}) {
  if (options.affine_norm) {
    norm_weight_ = register_parameter("g_norm", torch::empty({options.value_dim / options.num_heads}));
  }
}

MultiScaleRetentionImpl::~MultiScaleRetentionImpl() = default;

torch::Tensor MultiScaleRetentionImpl::forward(const torch::Tensor& x, const SequenceContext& context,
                                               LayerState* state, const Epilogue& epilogue) {
  const auto heads = [&](const torch::Tensor& t) { return t.unflatten(-1, {options_.num_heads, -1}); };
  const auto parts = projections_.forward(x);
  const auto q = rotary(heads(parts[0]), context.sin, context.cos, options_.rotary);  // [B, T, N, Dk]
  const auto k = rotary(heads(parts[1]), context.sin, context.cos, options_.rotary);
  const auto retained = retain(q, k, heads(parts[2]), context, state);  // [B, T, N, Dv]
  const auto y = head_norm_gate(retained, parts[3], context.row_eps, norm_weight_);
  return out_proj_->forward(y, epilogue);
}

torch::Tensor MultiScaleRetentionImpl::retain(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                                              const SequenceContext& context, LayerState* state) const {
  RetentionOptions call{.form = context.form, .chunk = context.chunk, .k_scale = k_scale_};
  call.ranges = context.ranges;
  call.overwrite_state = frozen();
  if (state != nullptr && !state->tensors.empty()) call.state = state->tensors.front();
  if (context.normalization == Normalization::torchscale) {
    return retention_torchscale(q, k, v, context.log_gamma, call);
  }
  auto result = causal_retention(q, k, v, context.log_gamma, call);
  if (state != nullptr) state->tensors = {result.state};
  return result.out;
}

void MultiScaleRetentionImpl::initialize(double residual_divisor, at::Generator generator) {
  const double narrow = std::exp2(-2.5);
  q_proj_->initialize_xavier(narrow, generator);
  k_proj_->initialize_xavier(narrow, generator);
  v_proj_->initialize_xavier(narrow / residual_divisor, generator);
  g_proj_->initialize_xavier(narrow, generator);
  out_proj_->initialize_xavier(0.5 / residual_divisor, generator);
  const torch::NoGradGuard no_grad;
  if (norm_weight_.defined()) norm_weight_.fill_(1);
}

void MultiScaleRetentionImpl::prepare(Preparation& preparation) {
  projections_.prepare(preparation, "q_proj + k_proj + v_proj + g_proj");
  preparation.report_kernel("retention");
  if (norm_weight_.defined()) norm_weight_ = norm_weight_.detach().to(at::kFloat).clone();
  freeze(*this);
}

void MultiScaleRetentionImpl::train(bool on) {
  check_train(on);
  Module::train(on);
}

}  // namespace retentive::nn
