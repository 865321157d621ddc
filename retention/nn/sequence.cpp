#include <retention/nn/sequence.h>
#include <retention/ops/retention.h>

namespace retentive::nn {

TokenMixerImpl::~TokenMixerImpl() = default;

void place_tokens(SequenceContext& context, const torch::Tensor& positions, const torch::Tensor& angle,
                  RotaryStyle style, double eps, bool scaled) {
  const auto type = context.log_gamma.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto half = angle.size(0) / 2;
  const auto frequencies =
      style == RotaryStyle::half_split ? angle.narrow(0, 0, half) : angle.slice(0, 0, angle.size(0), 2);
  // In double: the product is exact enough at position 10^6 too.
  const auto phases = positions.to(at::kDouble).unsqueeze(-1) * frequencies.to(at::kDouble);  // [B, T, Dk / 2]
  context.sin = phases.sin().to(type);
  context.cos = phases.cos().to(type);
  // x / sqrt(s) with eps has the norm of x with eps s.
  const auto sums = decay_row_sum(context.log_gamma, positions);  // [B, T, N]
  const bool exact = scaled && context.normalization == Normalization::exact;
  context.row_eps = (exact ? sums * eps : torch::full_like(sums, eps)).to(type);
}

}  // namespace retentive::nn
