#include <cmath>

#include <retention/nn/conv2d.h>

namespace retentive::nn {

void initialize_conv(torch::Tensor& weight, torch::Tensor& bias, const at::Generator& generator) {
  const torch::NoGradGuard no_grad;
  const auto fan_in = weight.numel() / weight.size(0);
  const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  weight.uniform_(-bound, bound, generator);
  bias.uniform_(-bound, bound, generator);
}

Conv2dImpl::Conv2dImpl(const Conv2dOptions& options)
    : weight(register_parameter(
          "weight", torch::empty({options.out_channels, options.in_channels, options.kernel, options.kernel}))),
      bias(register_parameter("bias", torch::empty({options.out_channels}))),
      options_(options) {}

Conv2dImpl::~Conv2dImpl() = default;

torch::Tensor Conv2dImpl::forward(const torch::Tensor& x) {
  const auto nchw = x.permute({0, 3, 1, 2});  // [B, in, H, W], channels-last in memory
  return torch::conv2d(nchw, weight, bias, options_.stride, options_.kernel / 2).permute({0, 2, 3, 1});
}

void Conv2dImpl::initialize(at::Generator generator) { initialize_conv(weight, bias, generator); }

void Conv2dImpl::train(bool on) {
  check_train(on);
  Module::train(on);
}

}  // namespace retentive::nn
