#include <retention/nn/conv2d.h>
#include <retention/nn/detail/linear_gradient.h>
#include <retention/nn/detail/packed_call.h>
#include <retention/nn/patch_linear.h>

namespace retentive::nn {

PatchLinearImpl::PatchLinearImpl(int64_t in_channels, int64_t out_channels, int64_t patch)
    : weight(register_parameter("weight", torch::empty({out_channels, in_channels, patch, patch}))),
      bias(register_parameter("bias", torch::empty({out_channels}))) {}

PatchLinearImpl::~PatchLinearImpl() = default;

torch::Tensor PatchLinearImpl::forward(const torch::Tensor& patches) {
  if (!packed_) return detail::linear_maps(patches, {weight.flatten(1)}, {bias}).front();
  check_no_grad(patches);
  return detail::run_linear(*packed_, patches, Activation::none, {}, at::kFloat);
}

void PatchLinearImpl::initialize(at::Generator generator) { initialize_conv(weight, bias, generator); }

void PatchLinearImpl::prepare(Preparation& preparation) {
  packed_ = detail::pack_linear(preparation, "", weight.flatten(1), bias, preparation.conv_precision());
  freeze(*this);
}

void PatchLinearImpl::train(bool on) {
  check_train(on);
  Module::train(on);
}

}  // namespace retentive::nn
