#include <retention/nn/drop_path.h>

namespace retentive::nn {

DropPathImpl::DropPathImpl(double rate) : rate_(rate), generator_(at::detail::getDefaultCPUGenerator()) {}

DropPathImpl::~DropPathImpl() = default;

torch::Tensor DropPathImpl::forward(const torch::Tensor& branch) {
  const auto factors = mask(branch);
  return factors.defined() ? branch * factors : branch;
}

torch::Tensor DropPathImpl::mask(const torch::Tensor& branch) const {
  if (!is_training() || rate_ <= 0.0) return {};
  std::vector<int64_t> shape(branch.dim(), 1);
  shape[0] = branch.size(0);
  const double keep = 1.0 - rate_;
  const auto options = branch.options().requires_grad(false);
  return torch::empty(shape, options).bernoulli_(keep, generator_).div_(keep);  // [B, 1, ...]
}

DropoutImpl::DropoutImpl(double rate) : rate_(rate), generator_(at::detail::getDefaultCPUGenerator()) {}

DropoutImpl::~DropoutImpl() = default;

torch::Tensor DropoutImpl::forward(const torch::Tensor& x) const {
  if (!is_training() || rate_ <= 0.0) return x;
  const double keep = 1.0 - rate_;
  return x * torch::empty_like(x, x.options().requires_grad(false)).bernoulli_(keep, generator_).div_(keep);
}

}  // namespace retentive::nn
