#include <sstream>

#include <retention/base/error.h>
#include <retention/nn/norm.h>

namespace retentive::nn {

LayerNormImpl::LayerNormImpl(int64_t channels, double eps)
    : weight(register_parameter("weight", torch::empty({channels}))),
      bias(register_parameter("bias", torch::empty({channels}))),
      eps_(eps) {}

LayerNormImpl::~LayerNormImpl() = default;

torch::Tensor LayerNormImpl::forward(const torch::Tensor& x) {
  return torch::layer_norm(x, weight.sizes(), weight, bias, eps_);
}

void LayerNormImpl::initialize() {
  torch::NoGradGuard no_grad;
  weight.fill_(1);
  bias.zero_();
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
      std::ostringstream shape;
      shape << x.sizes();
      throw InvalidArgument("[batch_norm] input " + shape.str() +
                            " has one value per channel; training needs at least two; use a larger batch or image");
    }
    num_batches_tracked.add_(1);
  }
  const auto nchw = x.permute({0, 3, 1, 2});
  return torch::batch_norm(nchw, weight, bias, running_mean, running_var, is_training(), 0.1, 1e-5, false)
      .permute({0, 2, 3, 1});
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
