#include <retention/base/error.h>
#include <retention/nn/frozen.h>

namespace retentive::nn {

Frozen::~Frozen() = default;

void Frozen::freeze(torch::nn::Module& leaf) {
  const torch::NoGradGuard no_grad;
  for (auto& parameter : leaf.parameters(/*recurse=*/false)) parameter.set_data(torch::empty({0}));
  for (auto& buffer : leaf.buffers(/*recurse=*/false)) buffer.set_data(torch::empty({0}, buffer.options()));
  frozen_ = true;
}

void Frozen::check_train(bool training) const {
  if (!training || !frozen_) return;
  throw StateError("[train] the model is prepared for inference and has no trainable weights; load it again to train");
}

void Frozen::check_no_grad(const torch::Tensor& x) const {
  if (!x.requires_grad() || !at::GradMode::is_enabled()) return;
  throw StateError(
      "[forward] the model is prepared for inference but its input requires grad; detach the input, call it under "
      "torch::NoGradGuard, or load the model again for gradients");
}

}  // namespace retentive::nn
