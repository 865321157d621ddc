#include <vector>

#include <torch/torch.h>

#include <retention/ops/detail/retention_paths.h>

namespace retentive::detail {

using at::Tensor;

Tensor causal_decay_mask(const Tensor& log_gamma, int64_t tokens) {
  const auto index = torch::arange(tokens, log_gamma.options());
  const auto distance = index.unsqueeze(1) - index.unsqueeze(0);  // [T, T]
  // The distance is clamped first: gamma to a negative power may overflow.
  const auto decay = torch::exp(distance.clamp_min(0) * log_gamma.view({-1, 1, 1}));
  return torch::where(distance >= 0, decay, torch::zeros({}, log_gamma.options()));  // [N, T, T]
}

namespace {

struct Piece {
  Tensor out;    // [S, N, T, Dv]
  Tensor state;  // [S, N, Dk, Dv]
};

// All tokens at once; q, k, v [S, N, T, D]. A state may be undefined.
Piece attend_at_once(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma, const Tensor& state) {
  const auto tokens = q.size(2);
  const auto index = torch::arange(tokens, log_gamma.options());
  const auto powers = [&](const Tensor& exponents) {  // [N, T, 1]
    return torch::exp(exponents * log_gamma.unsqueeze(1)).unsqueeze(2);
  };
  auto scores = torch::matmul(q, k.transpose(2, 3)) * causal_decay_mask(log_gamma, tokens);
  auto out = torch::matmul(scores, v);
  auto next = torch::matmul(k.transpose(2, 3), v * powers(tokens - 1 - index));
  if (state.defined()) {
    out = out + torch::matmul(q, state) * powers(index + 1);
    next = next + state * torch::exp(static_cast<double>(tokens) * log_gamma).view({-1, 1, 1});
  }
  return {out, next};
}

// Chunk after chunk, the last one perhaps shorter; a chunk of 1 is the recurrent form.
Piece attend_in_chunks(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma, Tensor state,
                       int64_t chunk) {
  std::vector<Tensor> outs;
  for (int64_t begin = 0; begin < q.size(2); begin += chunk) {
    const int64_t length = std::min(chunk, q.size(2) - begin);
    const auto part = [&](const Tensor& x) { return x.narrow(2, begin, length); };
    auto piece = attend_at_once(part(q), part(k), part(v), log_gamma, state);
    outs.push_back(piece.out);
    state = piece.state;
  }
  return {outs.size() == 1 ? outs.front() : torch::cat(outs, 2), state};
}

}  // namespace

RetentionResult retention_composed(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                                   const RetentionOptions& options) {
  const auto type = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto slope = log_gamma.to(type);
  const auto heads_first = [&](const Tensor& x) { return x.to(type).transpose(1, 2); };  // [S, N, T, D]
  const auto attend = [&](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& state) {
    const auto tokens = std::max<int64_t>(a.size(1), 1);
    const int64_t chunk = options.form == Form::parallel ? tokens : options.form == Form::recurrent ? 1 : options.chunk;
    auto piece = attend_in_chunks(heads_first(a), heads_first(b) * options.k_scale, heads_first(c), slope,
                                  state.defined() ? state.to(type) : state, chunk);
    return RetentionResult{piece.out.transpose(1, 2), piece.state};
  };
  if (!options.ranges.defined() && q.size(1) > 0) return attend(q, k, v, options.state);

  const auto flat = [](const Tensor& x) { return x.reshape({1, -1, x.size(2), x.size(3)}); };
  const auto q_all = flat(q), k_all = flat(k), v_all = flat(v);
  auto out = torch::zeros(v_all.sizes(), slope.options());
  const auto sequences = options.ranges.defined() ? options.ranges.size(0) : q.size(0);
  std::vector<Tensor> states;
  for (int64_t s = 0; s < sequences; ++s) {
    const auto begin = options.ranges.defined() ? options.ranges[s][0].item<int64_t>() : 0;
    const auto length = options.ranges.defined() ? options.ranges[s][1].item<int64_t>() - begin : 0;
    const auto before = options.state.defined() ? options.state.narrow(0, s, 1).to(type) : Tensor();
    if (length == 0) {
      const auto zero = torch::zeros({1, q.size(2), q.size(3), v.size(3)}, slope.options());
      states.push_back(before.defined() ? before : zero);
      continue;
    }
    const auto part = [&](const Tensor& x) { return x.narrow(1, begin, length); };
    const auto result = attend(part(q_all), part(k_all), part(v_all), before);
    out.narrow(1, begin, length).copy_(result.out);
    states.push_back(result.state);
  }
  return {out.view(v.sizes()), torch::cat(states)};
}

}  // namespace retentive::detail
