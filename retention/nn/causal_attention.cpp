#include <retention/base/error.h>
#include <retention/nn/causal_attention.h>
#include <retention/ops/retention.h>

namespace retentive::nn {
namespace {

using torch::Tensor;

// Appends [B, T, N, D] to a cache whose first `length` tokens count, growing it by doubling; gives what counts now.
Tensor append(Tensor& cache, int64_t length, const Tensor& tokens) {
  const int64_t total = length + tokens.size(1);
  if (tokens.requires_grad() || (cache.defined() && cache.requires_grad())) {
    cache = length > 0 ? torch::cat({cache.narrow(1, 0, length), tokens}, 1) : tokens;
    return cache;
  }
  // Tensors of inference mode cannot be written to outside of it.
  const bool locked = cache.defined() && cache.is_inference() && !c10::InferenceMode::is_enabled();
  if (!cache.defined() || locked || cache.size(1) < total) {
    auto sizes = tokens.sizes().vec();
    sizes[1] = std::max<int64_t>(total, 2 * length);
    const auto grown = torch::empty(sizes, tokens.options());
    if (length > 0) grown.narrow(1, 0, length).copy_(cache.narrow(1, 0, length));
    cache = grown;
  }
  cache.narrow(1, length, tokens.size(1)).copy_(tokens);
  return cache.narrow(1, 0, total);
}

// Query i of `queries` sees the first keys - queries + i + 1 keys.
Tensor late_mask(int64_t queries, int64_t keys) { return torch::ones({queries, keys}, at::kBool).tril(keys - queries); }

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
  if (context.ranges.defined()) {
    throw InvalidArgument(
        "[attention] rows of different length are not supported by the attention mixer; call it with "
        "rows of one length");
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
  const auto queries = q.size(1), keys = k.size(1);
  const auto mask = queries == 1 || queries == keys ? c10::nullopt : std::optional<Tensor>(late_mask(queries, keys));
  const auto y = torch::scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask, 0.0,
                                                     /*is_causal=*/queries > 1 && queries == keys);
  return out_proj_->forward(y.transpose(1, 2).flatten(-2), epilogue);  // [B, T, C]
}

bool is_attention_cache(const LayerState& state, int64_t rows, int64_t heads, int64_t key_dim, int64_t value_dim) {
  if (state.tensors.size() != 3) return false;
  const auto& length = state.tensors[2];
  if (length.dim() != 0 || length.scalar_type() != at::kLong) return false;
  const auto fits = [&](const Tensor& cache, int64_t dim) {
    return cache.dim() == 4 && cache.is_floating_point() && cache.size(0) == rows && cache.size(2) == heads &&
           cache.size(3) == dim && length.item<int64_t>() >= 0 && length.item<int64_t>() <= cache.size(1);
  };
  return fits(state.tensors[0], key_dim) && fits(state.tensors[1], value_dim);
}

LayerState without_spare_room(const LayerState& state) {
  if (state.tensors.size() != 3) return state;
  const auto length = state.tensors[2].item<int64_t>();
  return {{state.tensors[0].narrow(1, 0, length), state.tensors[1].narrow(1, 0, length), state.tensors[2]}};
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
