#include <torch/torch.h>

#include <retention/ops/head_norm.h>

namespace retentive {

at::Tensor head_norm_gate(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& eps,
                          const at::Tensor& weight) {
  const auto wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  auto y = wide * torch::rsqrt(wide.square().mean(-1, true) + eps.to(wide.scalar_type()).unsqueeze(-1));
  if (weight.defined()) y = y * weight;
  return y.flatten(-2).to(gate.scalar_type()) * torch::silu(gate);
}

}  // namespace retentive
