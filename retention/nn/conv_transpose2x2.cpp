#include <cmath>

#include <retention/nn/conv2d.h>
#include <retention/nn/detail/linear_gradient.h>
#include <retention/nn/detail/packed_call.h>
#include <retention/nn/epilogue.h>

namespace retentive::nn {

ConvTranspose2x2Impl::ConvTranspose2x2Impl(int64_t in_channels, int64_t out_channels)
    : weight(register_parameter("weight", torch::empty({in_channels, out_channels, 2, 2}))),
      bias(register_parameter("bias", torch::empty({out_channels}))) {}

ConvTranspose2x2Impl::~ConvTranspose2x2Impl() = default;

std::pair<torch::Tensor, torch::Tensor> ConvTranspose2x2Impl::linear_map() const {
  return {weight.permute({2, 3, 1, 0}).reshape({-1, weight.size(0)}), bias.repeat({4})};
}

torch::Tensor ConvTranspose2x2Impl::forward(const torch::Tensor& x, Activation activation) {
  torch::Tensor y;  // [B, H, W, 4 out]
  if (packed_) {
    check_no_grad(x);
    y = detail::run_linear(*packed_, x, activation, {}, output_type_);
  } else {
    const auto [map, shift] = linear_map();
    y = activate(detail::linear_maps(x, {map}, {shift}).front(), activation);
  }
  const auto B = x.size(0), H = x.size(1), W = x.size(2), out = y.size(3) / 4;
  const auto pixels = y.view({B, H, W, 2, 2, out}).permute({0, 1, 3, 2, 4, 5});  // [B, H, 2, W, 2, out]
  return pixels.reshape({B, 2 * H, 2 * W, out});
}

void ConvTranspose2x2Impl::initialize(at::Generator generator) {
  const torch::NoGradGuard no_grad;
  const auto fan_out = weight.numel() / weight.size(0);
  weight.normal_(0.0, std::sqrt(2.0 / static_cast<double>(fan_out)), generator);
  bias.zero_();
}

void ConvTranspose2x2Impl::prepare(Preparation& preparation) {
  if (frozen()) return;
  const auto [map, shift] = linear_map();
  packed_ = detail::pack_linear(preparation, "", map, shift);
  output_type_ = preparation.activation_type();
  freeze(*this);
}

void ConvTranspose2x2Impl::train(bool on) {
  check_train(on);
  Module::train(on);
}

}  // namespace retentive::nn
