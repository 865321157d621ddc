#include <tuple>

#include <torch/torch.h>

#include <retention/kernels/decay.h>
#include <retention/ops/detail/masa_paths.h>

namespace retentive::detail {
namespace {

using at::Tensor;

at::ScalarType compute_type(const Tensor& q) { return q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

// x_even cos - x_odd sin, x_odd cos + x_even sin, for interleaved channel pairs.
Tensor rotate_pairs(const Tensor& x, const Tensor& sin, const Tensor& cos) {
  const auto pairs = x.unflatten(-1, {-1, 2});
  const auto even = pairs.select(-1, 0);
  const auto odd = pairs.select(-1, 1);
  return at::stack({even * cos - odd * sin, odd * cos + even * sin}, -1).flatten(-2);
}

// Calls fn(T*) with the element type of a freshly made contiguous CPU tensor.
template <class F>
Tensor make_table(at::IntArrayRef shape, at::ScalarType dtype, F&& fill) {
  auto table = at::empty(shape, at::TensorOptions().dtype(dtype));
  if (dtype == at::kDouble) {
    fill(table.data_ptr<double>());
  } else {
    fill(table.data_ptr<float>());
  }
  return table;
}

// sin, cos of shape [H, W, 1, D/2]: one entry per pair.
std::tuple<Tensor, Tensor> rotary(const Tensor& q, const Tensor& angle) {
  const auto height = q.size(1), width = q.size(2), dim = q.size(4);
  const auto angles = angle.contiguous();
  auto both = make_table({2, height, width, 1, dim}, compute_type(q), [&](auto* out) {
    retention::rotary_table(height * width, dim, angles.data_ptr<float>(), out, out + height * width * dim);
  });
  both = both.slice(-1, 0, dim, 2);
  return {both[0], both[1]};
}

// Log-decay of one axis for every head: [N, L, L].
Tensor axis_decay(int64_t length, const Tensor& log_gamma, at::ScalarType dtype) {
  const auto rates = log_gamma.contiguous();
  return make_table({rates.size(0), length, length}, dtype, [&](auto* out) {
    for (int64_t n = 0; n < rates.size(0); ++n) {
      retention::symmetric_decay(length, rates.data_ptr<float>()[n], out + n * length * length);
    }
  });
}

Tensor grid_decay(int64_t height, int64_t width, const Tensor& log_gamma, at::ScalarType dtype) {
  const auto rates = log_gamma.contiguous();
  const auto tokens = height * width;
  return make_table({rates.size(0), tokens, tokens}, dtype, [&](auto* out) {
    for (int64_t n = 0; n < rates.size(0); ++n) {
      retention::manhattan_decay(height, width, rates.data_ptr<float>()[n], out + n * tokens * tokens);
    }
  });
}

Tensor decayed_softmax(const Tensor& scores, const Tensor& log_decay, DecayMode mode) {
  if (mode == DecayMode::release) return at::softmax(scores + log_decay, -1);
  return at::softmax(scores, -1) * log_decay.exp();
}

Tensor full(const MasaArguments& a) {
  const auto& [q, k, v, log_gamma, angle, k_scale, mode] = a;
  const auto dtype = compute_type(q);
  const auto [sin, cos] = rotary(q, angle);
  const auto to_tokens = [](const Tensor& x) { return x.flatten(1, 2).transpose(1, 2); };  // [B, N, HW, D]
  const auto queries = to_tokens(rotate_pairs(q.to(dtype), sin, cos));
  const auto keys = to_tokens(rotate_pairs(k.to(dtype) * k_scale, sin, cos));
  const auto scores = at::matmul(queries, keys.transpose(-1, -2));  // [B, N, HW, HW]
  const auto weights = decayed_softmax(scores, grid_decay(q.size(1), q.size(2), log_gamma, dtype), mode);
  const auto out = at::matmul(weights, to_tokens(v.to(dtype)));  // [B, N, HW, D]
  return out.transpose(1, 2).reshape(q.sizes()).to(q.scalar_type());
}

Tensor decomposed(const MasaArguments& a) {
  const auto& [q, k, v, log_gamma, angle, k_scale, mode] = a;
  const auto dtype = compute_type(q);
  const auto [sin, cos] = rotary(q, angle);
  const auto queries = rotate_pairs(q.to(dtype), sin, cos);
  const auto keys = rotate_pairs(k.to(dtype) * k_scale, sin, cos);
  const auto pass = [&](const Tensor& values, const Tensor& log_decay, at::IntArrayRef order) {
    const auto axis_last = [&](const Tensor& x) { return x.permute(order); };               // [B, other, N, axis, D]
    const auto scores = at::matmul(axis_last(queries), axis_last(keys).transpose(-1, -2));  // [B, other, N, axis, axis]
    return at::matmul(decayed_softmax(scores, log_decay, mode), axis_last(values));         // [B, other, N, axis, D]
  };
  const auto rows = pass(v.to(dtype), axis_decay(q.size(2), log_gamma, dtype), {0, 1, 3, 2, 4});
  const auto rows_nhwc = rows.transpose(2, 3);  // [B, H, W, N, D]
  const auto columns = pass(rows_nhwc, axis_decay(q.size(1), log_gamma, dtype), {0, 2, 3, 1, 4});
  return columns.permute({0, 3, 1, 2, 4}).contiguous().to(q.scalar_type());  // [B, H, W, N, D]
}

}  // namespace

Tensor masa_composed(const MasaArguments& arguments, bool decompose) {
  return decompose ? decomposed(arguments) : full(arguments);
}

}  // namespace retentive::detail
