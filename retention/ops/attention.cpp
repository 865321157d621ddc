#include <cmath>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/base/op_profile.h>
#include <retention/kernels/attention_decode.h>
#include <retention/ops/attention.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/memory.h>

namespace retentive {
namespace {

using at::Tensor;

void check(const Tensor& q, const Tensor& k, const Tensor& v) {
  const auto fail = [&](const std::string& accepted) {
    const auto text = [](const Tensor& t) { return detail::shape_text(t) + " " + std::string(t.dtype().name()); };
    throw InvalidArgument("[attention_decode] q is " + text(q) + ", k " + text(k) + ", v " + text(v) + "; " + accepted);
  };
  if (q.dim() != 4 || k.dim() != 4 || v.dim() != 4) fail("[B, T, N, D] are accepted");
  if (q.size(0) != k.size(0) || q.size(2) != k.size(2) || q.size(3) != k.size(3)) {
    fail("q and k must agree in rows, heads and channels");
  }
  if (k.sizes().slice(0, 3) != v.sizes().slice(0, 3)) fail("k and v must agree in rows, tokens and heads");
  if (q.size(1) > k.size(1)) fail("q has the last of k's tokens, at most all of them");
  const auto type = q.scalar_type();
  if (!q.is_floating_point() || k.scalar_type() != type || v.scalar_type() != type) {
    fail("all must be of one floating dtype: a cache belongs to the precision that it was filled in");
  }
}

/// Query i of `queries` sees the first keys - queries + i + 1 keys.
Tensor late_mask(int64_t queries, int64_t keys) { return torch::ones({queries, keys}, at::kBool).tril(keys - queries); }

Tensor composed(const Tensor& q, const Tensor& k, const Tensor& v) {
  const auto queries = q.size(1), keys = k.size(1);
  const auto mask = queries == 1 || queries == keys ? c10::nullopt : std::optional<Tensor>(late_mask(queries, keys));
  return torch::scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask, 0.0,
                                             /*is_causal=*/queries > 1 && queries == keys)
      .transpose(1, 2);
}

// x [B, T, N, D] as the kernel takes it.
template <class T>
retention::AttentionRows<const T> rows(const Tensor& x) {
  return {detail::elements<T>(x), x.stride(0), x.stride(2), x.stride(1)};
}

Tensor with_contiguous_channels(const Tensor& x) { return x.stride(3) == 1 ? x : x.contiguous(); }

// By the kernel; undefined where none runs.
Tensor decoded(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in) {
  const bool few = q_in.size(1) <= retention::kMostDecodeQueries;
  if (!few || !q_in.is_cpu() || q_in.numel() == 0 || v_in.numel() == 0) return {};
  const auto q = with_contiguous_channels(q_in), k = with_contiguous_channels(k_in), v = with_contiguous_channels(v_in);
  const retention::AttentionDecodeProblem problem{
      .rows = q.size(0),
      .heads = q.size(2),
      .queries = q.size(1),
      .keys = k.size(1),
      .key_dim = q.size(3),
      .value_dim = v.size(3),
      .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(q.size(3))))};
  const double macs = static_cast<double>(q.size(1)) * static_cast<double>(k.numel() + v.numel());
  const OpTimer timer([] { return std::string("attention decode"); }, macs,
                      static_cast<double>(k.nbytes() + v.nbytes()));
  const auto threads = at::get_num_threads();
  const auto out = pooled_empty({q.size(0), q.size(1), q.size(2), v.size(3)}, q.scalar_type());
  const auto bytes = retention::attention_decode_workspace_bytes(problem, threads);
  const auto workspace = BufferPool::shared().acquire(static_cast<size_t>(bytes));
  const bool done = detail::for_element_type(q.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const retention::AttentionRows<T> to = {detail::mutable_elements<T>(out), out.stride(0), out.stride(2),
                                            out.stride(1)};
    return retention::attention_decode<T>(problem, {rows<T>(q), rows<T>(k), rows<T>(v), to}, workspace.get(), threads);
  });
  return done ? out : Tensor();
}

}  // namespace

Tensor attention_decode(const Tensor& q, const Tensor& k, const Tensor& v) {
  check(q, k, v);
  const bool gradient = at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  const auto out = gradient ? Tensor() : decoded(q, k, v);
  return out.defined() ? out : composed(q, k, v);
}

}  // namespace retentive
