#include <retention/nn/linear.h>

namespace retentive::nn {

LinearImpl::LinearImpl(int64_t in_features, int64_t out_features)
    : weight(register_parameter("weight", torch::empty({out_features, in_features}))),
      bias(register_parameter("bias", torch::empty({out_features}))) {}

LinearImpl::~LinearImpl() = default;

torch::Tensor LinearImpl::forward(const torch::Tensor& x) { return torch::nn::functional::linear(x, weight, bias); }

void LinearImpl::initialize(double std, at::Generator generator) {
  torch::NoGradGuard no_grad;
  weight.normal_(0.0, std, generator);
  // Redraws the few values beyond the cut, which is 100 standard deviations away for the usual 0.02.
  for (auto outside = weight.abs() > 2.0; outside.any().item<bool>(); outside = weight.abs() > 2.0) {
    weight.copy_(torch::where(outside, torch::empty_like(weight).normal_(0.0, std, generator), weight));
  }
  bias.zero_();
}

}  // namespace retentive::nn
