#include <retention/nn/drop_path.h>

namespace retentive::nn {

DropPathImpl::DropPathImpl(double rate) : rate_(rate), generator_(at::detail::getDefaultCPUGenerator()) {}

DropPathImpl::~DropPathImpl() = default;

torch::Tensor DropPathImpl::forward(const torch::Tensor& branch) {
  if (!is_training() || rate_ <= 0.0) return branch;
  std::vector<int64_t> shape(branch.dim(), 1);
  shape[0] = branch.size(0);
  const double keep = 1.0 - rate_;
  const auto mask = torch::empty(shape, branch.options()).bernoulli_(keep, generator_).div_(keep);  // [B, 1, ...]
  return branch * mask;
}

}  // namespace retentive::nn
