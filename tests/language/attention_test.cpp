#include <torch/torch.h>

#include <models/test_files.h>
#include <retention/base/error.h>
#include <retention/nn/causal_attention.h>
#include <retention/ops/attention.h>
#include <retention/ops/position.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using torch::Tensor;

// In double: softmax over the tokens that each query sees.
Tensor by_definition(const Tensor& q, const Tensor& k, const Tensor& v) {
  const auto heads = [](const Tensor& x) { return x.detach().to(at::kDouble).transpose(1, 2); };
  const auto scores = torch::matmul(heads(q), heads(k).transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
  const auto hidden = torch::ones({q.size(1), k.size(1)}, at::kBool).tril(k.size(1) - q.size(1)).logical_not();
  return torch::matmul(scores.masked_fill(hidden, -INFINITY).softmax(-1), heads(v)).transpose(1, 2);
}

TEST_CASE("attention of the last tokens is its definition", "[attention]") {
  WorstDeviation worst("attention fp32"), worst16("attention bf16"), worst64("attention fp64");
  for (const int64_t queries : {1, 3, 8, 9, 40}) {
    for (const bool cached : {false, true}) {
      const auto tokens = [&](int64_t count, int64_t dim, uint64_t seed) {
        if (!cached) return random_tensor({2, count, 3, dim}, seed);
        return random_tensor({2, 3, count + 5, dim}, seed).narrow(2, 0, count).transpose(1, 2);
      };
      const auto q = tokens(queries, 16, 1), k = tokens(300, 16, 2), v = tokens(300, 20, 3);
      const auto expected = by_definition(q, k, v);
      const auto name = std::to_string(queries) + (cached ? " cached" : "");
      CHECK(worst.add(name, deviation(attention_decode(q, k, v), expected)) < 2e-6);
      const auto wide = attention_decode(q.to(at::kDouble), k.to(at::kDouble), v.to(at::kDouble));
      CHECK(worst64.add(name, deviation(wide, expected)) < 1e-12);
      const auto narrow = [](const Tensor& x) { return x.to(at::kBFloat16); };
      const auto out = attention_decode(narrow(q), narrow(k), narrow(v));
      CHECK(out.scalar_type() == at::kBFloat16);
      // ATen rounds the weights to bfloat16 too where there are many queries.
      const auto rounded = by_definition(narrow(q), narrow(k), narrow(v));
      CHECK(worst16.add(name, deviation(out, rounded)) < (queries <= 8 ? 2.0 : 6.0) / 512);
    }
  }
}

TEST_CASE("attention of few queries has a gradient", "[attention]") {
  const auto q = random_tensor({1, 2, 2, 8}, 1).requires_grad_(), k = random_tensor({1, 9, 2, 8}, 2).requires_grad_();
  const auto v = random_tensor({1, 9, 2, 8}, 3).requires_grad_(), weights = random_tensor({1, 2, 2, 8}, 4);
  const auto loss = [&](const Tensor& at) { return (attention_decode(at, k, v) * weights).sum(); };
  const auto gradients = torch::autograd::grad({loss(q)}, {q, k, v});
  for (const auto& gradient : gradients) CHECK(gradient.abs().max().item<double>() > 0.01);
  const torch::NoGradGuard no_grad;
  const auto direction = random_tensor(q.sizes(), 5);
  const auto slope = (loss(q + 1e-2 * direction) - loss(q - 1e-2 * direction)).item<double>() / 2e-2;
  CHECK((gradients[0] * direction).sum().item<double>() == Approx(slope).epsilon(2e-3));
}

TEST_CASE("attention refuses what does not fit together", "[attention]") {
  const auto q = torch::zeros({1, 2, 3, 8}), k = torch::zeros({1, 5, 3, 8}), v = torch::zeros({1, 5, 3, 4});
  const auto refused = [](const Tensor& a, const Tensor& b, const Tensor& c) {
    return message_of<InvalidArgument>([&] { attention_decode(a, b, c); });
  };
  CHECK_THAT(refused(q[0], k, v), Contains("[2, 3, 8]") && Contains("[B, T, N, D]"));
  CHECK_THAT(refused(q, k.slice(3, 0, 4), v), Contains("channels"));
  CHECK_THAT(refused(q, k, v.slice(1, 0, 4)), Contains("k and v"));
  CHECK_THAT(refused(k, q, q), Contains("last of k's tokens"));
  CHECK_THAT(refused(q.to(at::kBFloat16), k, v), Contains("dtype"));
}

struct Layer {
  static constexpr int64_t kRows = 2, kTokens = 60, kHeads = 3;

  Layer() { layer->initialize(1, at::detail::createCPUGenerator(1)); }

  Tensor run(const Tensor& part, int64_t first, nn::LayerState* state) {
    return run_at(part, torch::arange(first, first + part.size(1)).expand({kRows, -1}), state);
  }

  Tensor run_at(const Tensor& part, const Tensor& positions, nn::LayerState* state, const Tensor& ranges = {}) {
    nn::SequenceContext context;
    context.log_gamma = log_gamma_retnet(kHeads);
    context.ranges = ranges;
    nn::place_tokens(context, positions, rotary_angles(8), RotaryStyle::interleaved, 1e-6, false);
    return layer->forward(part, context, state, {});
  }

  nn::CausalAttention layer{nn::AttentionLayerOptions{24, 36, kHeads}};
  Tensor x = random_tensor({kRows, kTokens, 24}, 2);
};

TEST_CASE("a cache filled in pieces of any size gives what the whole gives", "[attention]") {
  WorstDeviation worst("attention layer in pieces");
  Layer layer;
  const torch::NoGradGuard no_grad;
  const auto whole = layer.run(layer.x, 0, nullptr);
  for (const std::vector<int64_t>& pieces :
       {std::vector<int64_t>(60, 1), {8, 8, 8, 8, 8, 8, 8, 4}, {30, 1, 7, 20, 2}}) {
    nn::LayerState state;
    int64_t first = 0;
    std::vector<Tensor> parts;
    for (const auto piece : pieces) {
      parts.push_back(layer.run(layer.x.slice(1, first, first + piece), first, &state));
      first += piece;
    }
    CHECK(worst.add(std::to_string(pieces.size()) + " pieces", deviation(torch::cat(parts, 1), whole)) < 1e-5);
    CHECK(nn::is_attention_cache(state, 2, 3, 8, 12));
    CHECK_FALSE(nn::is_attention_cache(state, 2, 3, 12, 8));
    CHECK(state.tensors[0].size(2) >= 60);
    const auto filled = nn::without_spare_room(state);
    CHECK(filled.tensors[0].sizes() == at::IntArrayRef({2, 3, 60, 8}));
    CHECK(filled.tensors[1].sizes() == at::IntArrayRef({2, 3, 60, 12}));
  }
}

TEST_CASE("sequences of different length attend within themselves", "[attention]") {
  WorstDeviation worst("attention layer, ragged rows");
  Layer layer;
  const auto ranges = torch::tensor({70, 120, 0, 33, 40, 62, 40, 40}, at::kLong).view({4, 2});
  const auto options = at::TensorOptions(at::kLong);
  auto positions = torch::zeros({Layer::kRows * Layer::kTokens}, options);
  for (int64_t s = 0; s < ranges.size(0); ++s) {
    const auto begin = ranges[s][0].item<int64_t>(), end = ranges[s][1].item<int64_t>();
    positions.slice(0, begin, end).copy_(torch::arange(end - begin, options));
  }
  const auto packed = layer.run_at(layer.x, positions.view({Layer::kRows, -1}), nullptr, ranges);
  const auto weight = layer.layer->named_parameters()["v_proj.weight"];
  const auto flat = packed.flatten(0, 1), tokens = layer.x.flatten(0, 1);
  auto gradient = torch::zeros_like(weight);
  for (int64_t s = 0; s < 3; ++s) {
    const auto begin = ranges[s][0].item<int64_t>(), end = ranges[s][1].item<int64_t>();
    const auto single =
        layer.run_at(tokens.slice(0, begin, end).unsqueeze(0), torch::arange(end - begin).unsqueeze(0), nullptr);
    CHECK(worst.add("out", deviation(flat.slice(0, begin, end), single[0])) < 1e-6);
    gradient += torch::autograd::grad({single.square().sum()}, {weight})[0];
  }
  CHECK(worst.add("gradient", deviation(torch::autograd::grad({packed.square().sum()}, {weight})[0], gradient)) < 1e-5);
  CHECK(flat.slice(0, 33, 40).abs().max().item<double>() == 0);
  CHECK(flat.slice(0, 62, 70).abs().max().item<double>() == 0);

  nn::LayerState state;
  CHECK_THROWS_WITH(layer.run_at(layer.x, positions.view({Layer::kRows, -1}), &state, ranges),
                    Contains("different length"));
}

TEST_CASE("a cache of a pass with gradients continues without", "[attention]") {
  Layer layer;
  nn::LayerState state;
  const auto first = layer.run(layer.x.slice(1, 0, 50), 0, &state);
  CHECK(first.requires_grad());
  const auto second = layer.run(layer.x.slice(1, 50, 54), 50, &state);
  const auto weight = layer.layer->named_parameters()["k_proj.weight"];
  CHECK(torch::autograd::grad({second.sum()}, {weight})[0].abs().max().item<double>() > 0);
  for (auto& tensor : state.tensors) tensor = tensor.detach();
  const torch::NoGradGuard no_grad;
  const auto third = layer.run(layer.x.slice(1, 54, 60), 54, &state);
  CHECK(deviation(torch::cat({first, second, third}, 1), layer.run(layer.x, 0, nullptr)) < 1e-5);
}

}  // namespace
}  // namespace retentive::testing
