#include <cmath>

#include <retention/nn/gated_feed_forward.h>

namespace retentive::nn {

GatedFeedForwardImpl::GatedFeedForwardImpl(int64_t dim, int64_t hidden, Activation activation)
    : activation_(activation),
      fc1_(register_module("fc1", Linear(dim, hidden, false))),
      gate_(register_module("gate", Linear(dim, hidden, false))),
      fc2_(register_module("fc2", Linear(hidden, dim, false))),
      inputs_({fc1_, gate_}) {}

GatedFeedForwardImpl::~GatedFeedForwardImpl() = default;

torch::Tensor GatedFeedForwardImpl::forward(const torch::Tensor& x, const Epilogue& epilogue) {
  const auto parts = inputs_.forward(x);
  return fc2_->forward(activate(parts[0], activation_) * parts[1], epilogue);
}

void GatedFeedForwardImpl::initialize(double residual_divisor, at::Generator generator) {
  const torch::NoGradGuard no_grad;
  for (const auto& leaf : {fc1_, gate_, fc2_}) {
    const double divisor = leaf.get() == gate_.get() ? 1 : residual_divisor;
    const double bound = 1 / (std::sqrt(static_cast<double>(leaf->weight.size(1))) * divisor);
    leaf->weight.uniform_(-bound, bound, generator);
  }
}

void GatedFeedForwardImpl::prepare(Preparation& preparation) { inputs_.prepare(preparation, "fc1 + gate"); }

}  // namespace retentive::nn
