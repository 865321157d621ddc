#include <cmath>

#include <retention/nn/conv2d.h>
#include <retention/nn/detail/packed_call.h>
#include <retention/nn/epilogue.h>

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

torch::Tensor Conv2dImpl::forward(const torch::Tensor& x, Activation activation) {
  if (packed_) {
    check_no_grad(x);
    return detail::run_conv(*packed_, x, activation, output_type_);
  }
  const auto nchw = x.permute({0, 3, 1, 2});  // [B, in, H, W], channels-last in memory
  const auto y = torch::conv2d(nchw, weight, bias, options_.stride, options_.kernel / 2);
  return activate(y.permute({0, 2, 3, 1}), activation);
}

void Conv2dImpl::initialize(at::Generator generator) { initialize_conv(weight, bias, generator); }

void Conv2dImpl::initialize_normal(double std, double value, at::Generator generator) {
  const torch::NoGradGuard no_grad;
  weight.normal_(0.0, std, generator);
  bias.fill_(value);
}

void Conv2dImpl::initialize_xavier(at::Generator generator) {
  const torch::NoGradGuard no_grad;
  const auto fans = weight.numel() / weight.size(0) + weight.numel() / weight.size(1);
  const double bound = std::sqrt(6.0 / static_cast<double>(fans));
  weight.uniform_(-bound, bound, generator);
  bias.zero_();
}

void Conv2dImpl::prepare(Preparation& preparation) {
  if (frozen()) return;
  const packed::Conv2dShape shape{options_.in_channels, options_.out_channels, options_.kernel, options_.stride};
  packed_ = detail::pack_conv(preparation, "", shape, weight, bias);
  output_type_ = float_output_ ? at::kFloat : preparation.activation_type();
  freeze(*this);
}

void Conv2dImpl::train(bool on) {
  check_train(on);
  Module::train(on);
}

}  // namespace retentive::nn
