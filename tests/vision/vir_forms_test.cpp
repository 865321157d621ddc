#include <random>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/ops/grid_retention.h>
#include <retention/ops/position.h>
#include <retention/ops/retention.h>
#include <vision/vir_fixture.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::vision;
using torch::Tensor;

namespace {

/// What one call gives, with the gradients of a random weighting of it.
std::vector<Tensor> values_and_gradients(VirImpl& model, const Tensor& image, const VirCall& call) {
  model.zero_grad();
  const auto x = image.clone().requires_grad_(true);
  const auto tokens = model.forward_tokens(x, call);
  (tokens * random_tensor(tokens.sizes(), 5, tokens.scalar_type())).sum().backward();
  std::vector<Tensor> all = {tokens, x.grad()};
  for (const auto& parameter : model.parameters()) {
    if (parameter.grad().defined()) all.push_back(parameter.grad().clone());
  }
  return all;
}

double worst_of(const std::vector<Tensor>& actual, const std::vector<Tensor>& reference) {
  double worst = actual.size() == reference.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(actual.size(), reference.size()); ++i) {
    worst = std::max(worst, deviation(actual[i], reference[i]));
  }
  return worst;
}

VirConfig random_config(std::mt19937& random) {
  const auto pick = [&](std::initializer_list<int64_t> values) { return values.begin()[random() % values.size()]; };
  VirConfig config;
  config.patch_size = pick({1, 2, 3});
  config.image_size = {config.patch_size * pick({1, 3, 4}), config.patch_size * pick({1, 2, 5})};
  config.in_channels = pick({1, 3});
  config.num_heads = pick({1, 2, 3});
  config.dim = config.num_heads * pick({4, 5, 8});
  config.depth = pick({1, 2});
  config.mlp_ratio = 1.5;
  config.num_classes = 4;
  config.decay = random() % 2 ? DecaySchedule::retnet : DecaySchedule::log_linspace;
  config.decay_dims = pick({1, 2});
  config.epilogue = random() % 2 ? VirEpilogue::linear : VirEpilogue::norm_gelu_linear;
  config.pool = random() % 2 ? VirPool::token_last : VirPool::avg;
  if (random() % 2) config.layer_scale_init = 1.0;
  return config;
}

}  // namespace

TEST_CASE("all forms are one function on random shapes, values and gradients", "[vir]") {
  WorstDeviation worst32("vir forms fp32"), worst64("vir forms fp64"), streamed64("vir chunk outermost fp64");
  for (uint32_t seed = 0; seed < 220; ++seed) {
    std::mt19937 random(seed);
    const auto config = random_config(random);
    const auto type = seed % 2 == 0 ? at::kDouble : at::kFloat;
    auto model = lively_vir(config, seed, type);
    const auto height = static_cast<int64_t>(1 + random() % 13), width = static_cast<int64_t>(1 + random() % 13);
    const auto image =
        random_tensor({1 + static_cast<int64_t>(random() % 2), config.in_channels, height, width}, seed, type);
    const auto chunk = static_cast<int64_t>(1 + random() % 20);
    const auto total = model->tokens(height, width);
    INFO("seed " << seed << ", " << height << "x" << width << ", chunk " << chunk << ", dims " << config.decay_dims);
    const auto expected = values_and_gradients(*model, image, {Form::parallel, 0});
    CHECK(expected.front().sizes() == at::IntArrayRef({image.size(0), total, config.dim}));
    const bool wide = type == at::kDouble;
    const double tolerance = wide ? 1e-10 : 1e-4;
    const auto logits = model->forward(image, {Form::parallel, 0});
    for (const VirCall call : {VirCall{Form::recurrent, 0}, VirCall{Form::chunkwise, chunk}}) {
      const auto error = worst_of(values_and_gradients(*model, image, call), expected);
      CHECK((wide ? worst64 : worst32).add(std::to_string(seed) + " " + std::string(enum_name(call.form)), error) <=
            tolerance);
      const torch::NoGradGuard no_grad;
      const auto streamed = deviation(model->forward_tokens(image, call), expected.front());
      const auto pooled = deviation(model->forward(image, call), logits);
      CHECK(std::max(streamed, pooled) <= tolerance);
      if (wide) streamed64.add(std::to_string(seed), std::max(streamed, pooled));
    }
  }
  CHECK(worst32.count() + worst64.count() == 440);
}

TEST_CASE("forms agree from one patch to 4097 tokens", "[vir]") {
  for (const auto type : {at::kFloat, at::kDouble}) {
    WorstDeviation worst("vir N = 2, 4097 " + std::string(c10::toString(type)));
    for (const int64_t dims : {1, 2}) {
      auto config = test_vir_config();
      config.patch_size = 1;
      config.image_size = {8, 8};
      config.depth = 1;
      config.decay_dims = dims;
      auto model = lively_vir(config, 4, type);
      const torch::NoGradGuard no_grad;
      for (const int64_t side : {1, 64}) {
        const auto image = random_tensor({1, 3, side, side}, 6, type);
        const auto expected = model->forward_tokens(image, {Form::parallel, 0});
        CHECK(expected.size(1) == side * side + 1);
        for (const VirCall call :
             {VirCall{Form::recurrent, 0}, VirCall{Form::chunkwise, 100}, VirCall{Form::auto_, 0}}) {
          const auto error = deviation(model->forward_tokens(image, call), expected);
          CHECK(worst.add(std::to_string(side) + " " + std::string(enum_name(call.form)), error) <=
                (type == at::kDouble ? 1e-10 : 1e-4));
        }
      }
    }
  }
}

TEST_CASE("2-D retention: one token, cut rows and causality", "[vir]") {
  const auto log_gamma = log_gamma_retnet(2, at::kDouble);
  const auto random = [](int64_t tokens, uint64_t seed) { return random_tensor({1, tokens, 2, 4}, seed, at::kDouble); };
  const auto q = random(13, 1), k = random(13, 2), v = random(13, 3);
  const GridTokens grid{.width = 4, .class_token = true};
  const auto whole = grid_retention(q, k, v, log_gamma, {.tokens = grid}).out;
  SECTION("recurrent pieces that begin in the middle of a row") {
    GridState state;
    std::vector<Tensor> outs;
    for (const auto& [begin, end] : std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {3, 9}, {9, 12}, {12, 13}}) {
      const auto part = [&, b = begin, n = end - begin](const Tensor& x) { return x.narrow(1, b, n); };
      const auto result = grid_retention(part(q), part(k), part(v), log_gamma,
                                         {.form = Form::recurrent,
                                          .tokens = {.width = 4, .class_token = end == 13},
                                          .column = begin % 4,
                                          .state = state});
      outs.push_back(result.out);
      state = result.state;
    }
    CHECK(deviation(torch::cat(outs, 1), whole) <= 1e-12);
  }
  SECTION("a patch sees the rectangle above and left of it, the class token all") {
    for (int64_t changed = 0; changed < 13; ++changed) {
      auto other = v.clone();
      other.select(1, changed).add_(1);
      const auto moved = (grid_retention(q, k, other, log_gamma, {.tokens = grid}).out - whole).abs().sum({0, 2, 3});
      for (int64_t t = 0; t < 13; ++t) {
        const bool sees = t == 12 || (changed < 12 && changed / 4 <= t / 4 && changed % 4 <= t % 4);
        CHECK((moved[t].item<double>() > 0) == sees);
      }
    }
  }
  SECTION("one row is 1-D retention, one token itself") {
    const auto line = grid_retention(q, k, v, log_gamma, {.tokens = {.width = 13}}).out;
    const auto expected = causal_retention(q, k, v, log_gamma, {.form = Form::recurrent}).out;
    CHECK(deviation(line, expected) <= 1e-12);
    const auto at = [](const Tensor& x) { return x.narrow(1, 0, 1); };
    const auto alone = grid_retention(at(q), at(k), at(v), log_gamma, {.form = Form::chunkwise}).out;
    CHECK(deviation(alone, (at(q) * at(k)).sum(-1, true) * at(v)) <= 1e-12);
  }
  SECTION("what does not fit is refused") {
    const auto call = [&](const GridRetentionOptions& options) { grid_retention(q, k, v, log_gamma, options); };
    CHECK_THROWS_AS(call({.form = Form::auto_}), InvalidArgument);
    CHECK_THROWS_AS(call({.tokens = {.width = 0}}), InvalidArgument);
    CHECK_THROWS_AS(call({.tokens = {.width = 4}}), InvalidArgument);
    CHECK_THROWS_AS(call({.tokens = grid, .column = 1}), InvalidArgument);
    CHECK_THROWS_AS(call({.form = Form::chunkwise, .tokens = grid, .chunk = 0}), InvalidArgument);
    CHECK_THROWS_AS(call({.tokens = grid, .state = {torch::zeros({1, 4, 2, 4, 4}, at::kDouble), {}}}), InvalidArgument);
    CHECK_THROWS_AS(call({.form = Form::chunkwise, .tokens = grid, .state = {torch::zeros({1, 2}), {}}}),
                    InvalidArgument);
  }
}

TEST_CASE("2-D retention's gradients are those of finite differences", "[vir]") {
  const auto log_gamma = log_gamma_retnet(1, at::kDouble);
  const auto make = [](uint64_t seed) { return random_tensor({1, 7, 1, 2}, seed, at::kDouble).requires_grad_(true); };
  const auto q = make(1), k = make(2), v = make(3);
  for (const auto form : {Form::parallel, Form::recurrent, Form::chunkwise}) {
    const GridRetentionOptions call{.form = form, .tokens = {.width = 3, .class_token = true}, .chunk = 3};
    const auto value = [&] { return grid_retention(q, k, v, log_gamma, call).out.square().sum(); };
    for (const auto& x : {q, k, v}) {
      const auto gradient = torch::autograd::grad({value()}, {x}).front();
      const torch::NoGradGuard no_grad;
      for (int64_t i = 0; i < x.numel(); ++i) {
        auto element = x.view(-1)[i];
        constexpr double kStep = 1e-5;
        element.add_(kStep);
        const double above = value().item<double>();
        element.sub_(2 * kStep);
        const double below = value().item<double>();
        element.add_(kStep);
        CHECK(gradient.reshape(-1)[i].item<double>() == Approx((above - below) / (2 * kStep)).margin(1e-6));
      }
    }
  }
}
