#include <algorithm>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/kernels/causal.h>
#include <retention/ops/detail/retention_paths.h>
#include <retention/ops/detail/shape_text.h>

namespace retentive {
namespace {

using at::Tensor;
using detail::shape_text;

[[noreturn]] void fail(const std::string& what) { throw InvalidArgument("[retention] " + what); }

void check_tensors(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma) {
  const auto together = "q is " + shape_text(q) + ", k is " + shape_text(k) + ", v is " + shape_text(v);
  if (q.dim() != 4 || v.dim() != 4) fail(together + "; [B, T, N, D] each is accepted; reshape projections to heads");
  if (k.sizes() != q.sizes() || v.sizes().slice(0, 3) != q.sizes().slice(0, 3)) {
    fail(together + "; q and k must have one shape, and v their B, T and N");
  }
  if (q.size(2) == 0 || q.size(3) == 0 || v.size(3) == 0) fail(together + "; heads and channels must not be 0");
  if (!q.is_floating_point() || k.dtype() != q.dtype() || v.dtype() != q.dtype()) {
    fail("q, k, v have dtypes " + std::string(q.dtype().name()) + ", " + std::string(k.dtype().name()) + ", " +
         std::string(v.dtype().name()) + "; one floating dtype for all is accepted");
  }
  if (log_gamma.dim() != 1 || log_gamma.size(0) != q.size(2) || !log_gamma.is_floating_point()) {
    fail("log_gamma is " + shape_text(log_gamma) + " but q has N=" + std::to_string(q.size(2)) + " heads (q is " +
         shape_text(q) + "); pass [" + std::to_string(q.size(2)) + "]");
  }
}

void check_options(const Tensor& q, const Tensor& v, const RetentionOptions& options) {
  if (options.form == Form::auto_) fail("form is \"auto\"; name one: \"parallel\" | \"recurrent\" | \"chunkwise\"");
  if (options.form == Form::chunkwise && options.chunk < 1) {
    fail("chunk is " + std::to_string(options.chunk) + "; at least 1 token is accepted");
  }
  if (options.ranges.defined()) check_sequence_ranges(options.ranges, q.size(0) * q.size(1));
  const auto sequences = options.ranges.defined() ? options.ranges.size(0) : q.size(0);
  const std::vector<int64_t> wanted = {sequences, q.size(2), q.size(3), v.size(3)};
  if (options.state.defined() && options.state.sizes() != at::IntArrayRef(wanted)) {
    fail("state is " + shape_text(options.state) + ", but q is " + shape_text(q) + " and v " + shape_text(v) + " of " +
         std::to_string(sequences) + " sequences; [S, N, Dk, Dv] is accepted");
  }
}

}  // namespace

void check_sequence_ranges(const Tensor& ranges, int64_t tokens) {
  if (ranges.dim() != 2 || ranges.size(1) != 2 || ranges.scalar_type() != at::kLong) {
    fail("ranges is " + shape_text(ranges) + "; int64 [S, 2] of begin and end is accepted");
  }
  const auto values = ranges.contiguous();
  const auto* at = values.const_data_ptr<int64_t>();
  std::vector<std::pair<int64_t, int64_t>> sorted;
  for (int64_t s = 0; s < values.size(0); ++s) {
    const auto begin = at[2 * s], end = at[2 * s + 1];
    if (begin < 0 || begin > end || end > tokens) {
      fail("ranges[" + std::to_string(s) + "] is [" + std::to_string(begin) + ", " + std::to_string(end) + ") of " +
           std::to_string(tokens) + " tokens; 0 <= begin <= end <= B * T is accepted");
    }
    if (begin < end) sorted.emplace_back(begin, end);
  }
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i].first >= sorted[i - 1].second) continue;
    fail("two ranges hold token " + std::to_string(sorted[i].first) + "; give each token to one sequence at most");
  }
}

void detail::check_retention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                             const RetentionOptions& options) {
  check_tensors(q, k, v, log_gamma);
  check_options(q, v, options);
}

RetentionResult causal_retention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                                 const RetentionOptions& options) {
  detail::check_retention(q, k, v, log_gamma, options);
  if (detail::retention_has_kernel(q, log_gamma)) return detail::retention_fast(q, k, v, log_gamma, options);
  return detail::retention_composed(q, k, v, log_gamma, options);
}

std::string retention_implementation(at::ScalarType type, std::string& reason) {
  if (type != at::kFloat && type != at::kBFloat16) {
    reason = "kernels take float and bfloat16";
    return "ATen";
  }
  std::vector<retention::Declined> declined;
  const char* name = retention::causal_implementation(&declined);
  for (const auto& other : declined) {
    reason += (reason.empty() ? "" : "; ") + other.implementation + ": " + other.reason;
  }
  return name == nullptr ? "ATen" : "kernel " + std::string(name);
}

Tensor decay_row_sum(const Tensor& log_gamma, const Tensor& positions) {
  const auto slope = log_gamma.to(at::kDouble);                      // [N]
  const auto count = positions.to(at::kDouble).unsqueeze(-1) + 1.0;  // [..., 1]
  // (1 - gamma^(n + 1)) / (1 - gamma), without cancellation for gamma near 1.
  const auto sum = torch::expm1(count * slope) / torch::expm1(slope);
  return torch::where(slope == 0, count, sum);
}

}  // namespace retentive
