#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/ops/detail/retention_paths.h>

namespace retentive {
namespace {

using at::Tensor;

constexpr double kSmallest = 1, kLargest = 5e4;

// sqrt(s_0), sqrt(s_1), ...: [N, T, 1].
Tensor root_row_sums(const Tensor& log_gamma, int64_t tokens) {
  const auto sums = decay_row_sum(log_gamma, torch::arange(tokens, at::kLong));  // [T, N]
  return sums.sqrt().t().unsqueeze(2).to(log_gamma.scalar_type());
}

// sum over m <= n of |q_n k_m| gamma^(n - m) / sqrt(s_n): [B, N, T, 1].
Tensor absolute_row_sums(const Tensor& q, const Tensor& k, const Tensor& log_gamma) {
  const auto weights = torch::matmul(q, k.transpose(2, 3)) * detail::causal_decay_mask(log_gamma, q.size(2));
  return weights.abs().sum(-1, true) / root_row_sums(log_gamma, q.size(2));
}

// One chunk's scalars 1 / (c_i max(I, Z)); `state` is what came before it, undefined for the first.
Tensor chunk_scalars(const Tensor& q, const Tensor& k, const Tensor& log_gamma, const Tensor& state, int64_t chunk) {
  auto largest = absolute_row_sums(q, k, log_gamma).clamp_min(kSmallest);
  if (state.defined()) {
    const auto last = decay_row_sum(log_gamma, torch::full({1}, chunk - 1, at::kLong)).view({1, -1, 1, 1});
    const auto cross = (state.abs().sum(2, true) / last.to(state.scalar_type())).amax(3, true);  // [B, N, 1, 1]
    largest = torch::maximum(largest, cross.clamp_min(kSmallest));
  }
  return 1 / (root_row_sums(log_gamma, q.size(2)) * largest);
}

}  // namespace

Tensor retention_torchscale(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                            const RetentionOptions& options) {
  if (options.state.defined() || options.ranges.defined() || options.form == Form::auto_) {
    throw InvalidArgument(
        "[retention] the normalization \"torchscale\" takes whole rows, no state, and a form by name: its forms give "
        "different results; use \"exact\" for states, padding and automatic forms");
  }
  detail::check_retention(q, k, v, log_gamma, options);
  const auto raw = detail::retention_composed(q, k, v, log_gamma, options).out;  // [B, T, N, Dv]
  const auto type = raw.scalar_type();
  const auto slope = log_gamma.to(type);
  const auto queries = q.detach().to(type).transpose(1, 2);
  const auto keys = k.detach().to(type).transpose(1, 2) * options.k_scale;
  Tensor scalars;  // [B, N, T, 1]
  if (options.form == Form::recurrent) {
    scalars = 1 / root_row_sums(slope, q.size(1)).unsqueeze(0);
  } else if (options.form == Form::parallel) {
    const auto sums = absolute_row_sums(queries, keys, slope).clamp(kSmallest, kLargest);
    scalars = 1 / (root_row_sums(slope, q.size(1)) * sums);
  } else {
    std::vector<Tensor> parts;
    RetentionOptions piece = options;
    for (int64_t begin = 0; begin < q.size(1); begin += options.chunk) {
      const int64_t length = std::min(options.chunk, q.size(1) - begin);
      parts.push_back(chunk_scalars(queries.narrow(2, begin, length), keys.narrow(2, begin, length), slope, piece.state,
                                    options.chunk));
      const auto part = [&](const Tensor& x) { return x.detach().narrow(1, begin, length); };
      piece.state = detail::retention_composed(part(q), part(k), part(v), log_gamma, piece).state;
    }
    scalars = torch::cat(parts, 2);
  }
  return raw * scalars.transpose(1, 2);
}

}  // namespace retentive
