#include <retention/base/error.h>
#include <retention/base/op_profile.h>
#include <retention/kernels/layer_norm.h>
#include <retention/nn/detail/quantised.h>
#include <retention/nn/norm.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/memory.h>

namespace retentive::nn {
namespace {

constexpr double kEps = 1e-5;  // of BatchNorm

}  // namespace

LayerNormImpl::LayerNormImpl(int64_t channels, double eps, bool centred)
    : weight(register_parameter("weight", torch::empty({channels}))), eps_(eps), centred_(centred) {
  if (centred) bias = register_parameter("bias", torch::empty({channels}));
}

LayerNormImpl::~LayerNormImpl() = default;
RmsNormImpl::~RmsNormImpl() = default;

torch::Tensor LayerNormImpl::plain(const torch::Tensor& x, const torch::Tensor& scale,
                                   const torch::Tensor& shift) const {
  if (centred_) return torch::layer_norm(x, scale.sizes(), scale, shift, eps_);
  const auto wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  return (wide * torch::rsqrt(wide.square().mean(-1, true) + eps_)).to(x.scalar_type()) * scale;
}

torch::Tensor LayerNormImpl::forward(const torch::Tensor& x) {
  if (!frozen()) return plain(x, weight, bias);
  check_no_grad(x);
  const OpTimer timer([&] { return "layer norm " + retentive::detail::map_text(x); }, 0);
  const auto source = x.to(at::kFloat).contiguous();
  const retention::LayerNormProblem problem{
      .rows = x.numel() / x.size(-1), .channels = x.size(-1), .eps = static_cast<float>(eps_), .centred = centred_};
  if (output_type_ == at::kChar) {
    auto quantised = detail::quantised_empty(x.sizes());
    if (retention::layer_norm(problem, source.const_data_ptr<float>(), packed_weight_.const_data_ptr<float>(),
                              packed_bias_.const_data_ptr<float>(), detail::quantised_rows(quantised),
                              at::get_num_threads())) {
      return quantised;
    }
  }
  const auto type = output_type_ == at::kChar ? at::kFloat : output_type_;
  auto y = pooled_empty(x.sizes(), type);
  const bool done = retentive::detail::for_element_type(type, [&](auto element) {
    using T = decltype(element);
    return retention::layer_norm(problem, retentive::detail::elements<float>(source),
                                 retentive::detail::elements<float>(packed_weight_),
                                 retentive::detail::elements<float>(packed_bias_),
                                 retentive::detail::mutable_elements<T>(y), at::get_num_threads());
  });
  if (done) return y;
  return plain(source, packed_weight_, packed_bias_).to(type);
}

void LayerNormImpl::prepare(Preparation& preparation) {
  if (frozen()) return;
  packed_weight_ = weight.to(at::kFloat).clone();
  packed_bias_ = centred_ ? bias.to(at::kFloat).clone() : torch::zeros_like(packed_weight_);
  const bool quantised = feeds_linear_ && preparation.precision() == Precision::int8;
  output_type_ = float_output_ ? at::kFloat : quantised ? at::kChar : preparation.activation_type();
  preparation.report_kernel(centred_ ? "layer norm" : "root mean square norm");
  freeze(*this);
}

void LayerNormImpl::train(bool on) {
  check_train(on);
  Module::train(on);
}

void LayerNormImpl::initialize() {
  torch::NoGradGuard no_grad;
  weight.fill_(1);
  if (centred_) bias.zero_();
}

BatchNormImpl::BatchNormImpl(int64_t channels)
    : weight(register_parameter("weight", torch::empty({channels}))),
      bias(register_parameter("bias", torch::empty({channels}))),
      running_mean(register_buffer("running_mean", torch::empty({channels}))),
      running_var(register_buffer("running_var", torch::empty({channels}))),
      num_batches_tracked(register_buffer("num_batches_tracked", torch::zeros({}, torch::kLong))) {}

BatchNormImpl::~BatchNormImpl() = default;

torch::Tensor BatchNormImpl::forward(const torch::Tensor& x) {
  if (is_training()) {
    if (x.numel() / x.size(-1) < 2) {
      throw InvalidArgument("[batch_norm] input " + retentive::detail::shape_text(x) +
                            " has one value per channel; training needs at least two; use a larger batch or image");
    }
    num_batches_tracked.add_(1);
  }
  const auto nchw = x.permute({0, 3, 1, 2});
  return torch::batch_norm(nchw, weight, bias, running_mean, running_var, is_training(), 0.1, kEps, false)
      .permute({0, 2, 3, 1});
}

void BatchNormImpl::train(bool on) {
  check_train(on);
  Module::train(on);
}

std::pair<torch::Tensor, torch::Tensor> BatchNormImpl::affine() const {
  const auto scale = weight * torch::rsqrt(running_var + kEps);
  return {scale, bias - running_mean * scale};
}

void BatchNormImpl::initialize() {
  torch::NoGradGuard no_grad;
  weight.fill_(1);
  bias.zero_();
  running_mean.zero_();
  running_var.fill_(1);
  num_batches_tracked.zero_();
}

}  // namespace retentive::nn
