#include <algorithm>
#include <utility>
#include <vector>

#include <retention/base/error.h>
#include <retention/nn/causal_attention.h>
#include <retention/ops/attention.h>
#include <retention/ops/memory.h>
#include <retention/ops/retention.h>

namespace retentive::nn {
namespace {

using torch::Tensor;

// Appends tokens [B, T, N, D] to a cache [B, N, capacity, D] whose first `length` tokens count, growing it by doubling;
// gives what counts now, [B, T, N, D].
Tensor append(Tensor& cache, int64_t length, const Tensor& tokens) {
  const auto added = tokens.transpose(1, 2);  // [B, N, T, D]
  const int64_t total = length + tokens.size(1);
  if (tokens.requires_grad() || (cache.defined() && cache.requires_grad())) {
    cache = length > 0 ? torch::cat({cache.narrow(2, 0, length), added}, 2) : added;
    return cache.transpose(1, 2);
  }
  // Tensors of inference mode cannot be written to outside of it.
  const bool locked = cache.defined() && cache.is_inference() && !c10::InferenceMode::is_enabled();
  if (!cache.defined() || locked || cache.size(2) < total) {
    auto sizes = added.sizes().vec();
    sizes[2] = std::max<int64_t>(total, 2 * length);
    const auto grown = large_empty(sizes, tokens.scalar_type());
    if (length > 0) grown.narrow(2, 0, length).copy_(cache.narrow(2, 0, length));
    cache = grown;
  }
  cache.narrow(2, length, tokens.size(1)).copy_(added);
  return cache.narrow(2, 0, total).transpose(1, 2);
}

// Each range [begin, end) of the flattened tokens attends to itself alone; tokens of none receive zeros.
Tensor attend_within(const Tensor& ranges, const Tensor& q, const Tensor& k, const Tensor& v) {
  const auto values = ranges.contiguous();
  std::vector<std::pair<int64_t, int64_t>> ordered;
  for (int64_t s = 0; s < values.size(0); ++s) {
    const auto* range = values.const_data_ptr<int64_t>() + 2 * s;
    if (range[0] < range[1]) ordered.emplace_back(range[0], range[1]);
  }
  std::ranges::sort(ordered);
  const auto part = [](const Tensor& tokens, int64_t begin, int64_t end) {
    return tokens.flatten(0, 1).slice(0, begin, end).unsqueeze(0);
  };
  std::vector<Tensor> parts;
  int64_t done = 0;
  const auto leave_out = [&](int64_t until) {
    if (until > done) parts.push_back(torch::zeros({1, until - done, v.size(2), v.size(3)}, q.options()));
  };
  for (const auto& [begin, end] : ordered) {
    leave_out(begin);
    parts.push_back(attention_decode(part(q, begin, end), part(k, begin, end), part(v, begin, end)));
    done = end;
  }
  leave_out(q.size(0) * q.size(1));
  return torch::cat(parts, 1).view({q.size(0), q.size(1), v.size(2), v.size(3)});
}

}  // namespace

CausalAttentionImpl::CausalAttentionImpl(const AttentionLayerOptions& options)
    : options_(options),
      q_proj_(register_module("q_proj", Linear(options.dim, options.dim, false))),
      k_proj_(register_module("k_proj", Linear(options.dim, options.dim, false))),
      v_proj_(register_module("v_proj", Linear(options.dim, options.value_dim, false))),
      out_proj_(register_module("out_proj", Linear(options.value_dim, options.dim, false))),
      projections_({q_proj_, k_proj_, v_proj_}) {}

CausalAttentionImpl::~CausalAttentionImpl() = default;

Tensor CausalAttentionImpl::forward(const Tensor& x, const SequenceContext& context, LayerState* state,
                                    const Epilogue& epilogue) {
  if (context.ranges.defined() && state != nullptr) {
    throw InvalidArgument(
        "[attention] a cache of sequences of different length is not supported by the attention mixer; leave the state "
        "or the ranges away");
  }
  const auto heads = [&](const Tensor& t) { return t.unflatten(-1, {options_.num_heads, -1}); };
  const auto parts = projections_.forward(x);
  const auto q = rotary(heads(parts[0]), context.sin, context.cos, options_.rotary);  // [B, T, N, Dk]
  auto k = rotary(heads(parts[1]), context.sin, context.cos, options_.rotary), v = heads(parts[2]);
  if (state != nullptr) {
    if (state->tensors.empty()) state->tensors = {Tensor(), Tensor(), torch::zeros({}, at::kLong)};
    const auto length = state->tensors[2].item<int64_t>();
    state->tensors[2] = torch::full({}, length + x.size(1), at::kLong);
    k = append(state->tensors[0], length, k);
    v = append(state->tensors[1], length, v);
  }
  const auto y = context.ranges.defined() ? attend_within(context.ranges, q, k, v)  // [B, T, N, Dv]
                                          : attention_decode(q, k, v);
  return out_proj_->forward(y.flatten(-2), epilogue);  // [B, T, C]
}

bool is_attention_cache(const LayerState& state, int64_t rows, int64_t heads, int64_t key_dim, int64_t value_dim) {
  if (state.tensors.size() != 3) return false;
  const auto& length = state.tensors[2];
  if (length.dim() != 0 || length.scalar_type() != at::kLong) return false;
  const auto fits = [&](const Tensor& cache, int64_t dim) {
    return cache.dim() == 4 && cache.is_floating_point() && cache.size(0) == rows && cache.size(1) == heads &&
           cache.size(3) == dim && length.item<int64_t>() >= 0 && length.item<int64_t>() <= cache.size(2);
  };
  return fits(state.tensors[0], key_dim) && fits(state.tensors[1], value_dim);
}

LayerState without_spare_room(const LayerState& state) {
  if (state.tensors.size() != 3) return state;
  const auto length = state.tensors[2].item<int64_t>();
  return {{state.tensors[0].narrow(2, 0, length), state.tensors[1].narrow(2, 0, length), state.tensors[2]}};
}

void CausalAttentionImpl::initialize(double residual_divisor, at::Generator generator) {
  q_proj_->initialize_xavier(1, generator);
  k_proj_->initialize_xavier(1, generator);
  v_proj_->initialize_xavier(1 / residual_divisor, generator);
  out_proj_->initialize_xavier(1 / residual_divisor, generator);
}

void CausalAttentionImpl::prepare(Preparation& preparation) {
  projections_.prepare(preparation, "q_proj + k_proj + v_proj");
}

}  // namespace retentive::nn
