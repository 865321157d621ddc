#include <cmath>

#include <retention/nn/detail/linear_gradient.h>
#include <retention/nn/detail/packed_call.h>
#include <retention/nn/linear.h>

namespace retentive::nn {

LinearImpl::LinearImpl(int64_t in_features, int64_t out_features, bool with_bias)
    : weight(register_parameter("weight", torch::empty({out_features, in_features}))) {
  if (with_bias) bias = register_parameter("bias", torch::empty({out_features}));
}

LinearImpl::~LinearImpl() = default;

torch::Tensor LinearImpl::forward(const torch::Tensor& x, const Epilogue& epilogue) {
  if (!packed_) {
    const auto biases = bias.defined() ? std::vector{bias} : std::vector<torch::Tensor>{};
    return apply_epilogue(detail::linear_maps(x, {weight}, biases).front(), epilogue);
  }
  check_no_grad(x);
  return detail::run_linear(*packed_, x, epilogue.activation, epilogue.residual, output_type_);
}

void LinearImpl::prepare(Preparation& preparation) {
  if (frozen()) return;
  packed_ = detail::pack_linear(preparation, "", weight, bias);
  output_type_ = float_output_ ? at::kFloat : preparation.activation_type();
  freeze(*this);
}

void LinearImpl::train(bool on) {
  check_train(on);
  Module::train(on);
}

void LinearImpl::scale_output(const torch::Tensor& factor) {
  const torch::NoGradGuard no_grad;
  weight.mul_(factor.unsqueeze(1));
  if (bias.defined()) bias.mul_(factor);
}

void LinearImpl::initialize(double std, at::Generator generator) {
  torch::NoGradGuard no_grad;
  weight.normal_(0.0, std, generator);
  // Redraws the few values beyond the cut, which is 100 standard deviations away for the usual 0.02.
  for (auto outside = weight.abs() > 2.0; outside.any().item<bool>(); outside = weight.abs() > 2.0) {
    weight.copy_(torch::where(outside, torch::empty_like(weight).normal_(0.0, std, generator), weight));
  }
  if (bias.defined()) bias.zero_();
}

void LinearImpl::initialize_xavier(double gain, at::Generator generator) {
  torch::NoGradGuard no_grad;
  const double bound = gain * std::sqrt(6.0 / static_cast<double>(weight.size(0) + weight.size(1)));
  weight.uniform_(-bound, bound, generator);
  if (bias.defined()) bias.zero_();
}

}  // namespace retentive::nn
