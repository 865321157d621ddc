#include <torch/torch.h>

#include <models/generation/generate.h>
#include <models/registry.h>
#include <models/test_files.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

using models::RetentionState;
using torch::Tensor;

std::shared_ptr<models::RetnetImpl> tiny(const std::string& name) {
  auto model = models::as_language_model(models::build(models::find_model(name).config, 1), name);
  model->eval();
  return model;
}

RetentionState after_some_tokens(models::RetnetImpl& model) {
  const torch::NoGradGuard no_grad;
  auto state = model.new_state(1);
  model.forward(torch::arange(7).unsqueeze(0), &state);
  return state;
}

TEST_CASE("a state that is not of the model is refused, not run", "[state]") {
  const torch::NoGradGuard no_grad;
  for (const std::string name : {"test_retnet", "test_transformer"}) {
    const auto model = tiny(name);
    const auto good = after_some_tokens(*model);
    const auto refused = [&](auto&& damage) {
      auto state = good;
      damage(state);
      CHECK_THROWS_AS(model->forward(torch::zeros({1, 1}, at::kLong), &state), StateError);
    };
    refused([](RetentionState& s) { s.layers.resize(1); });
    refused([](RetentionState& s) { s.layers.resize(9); });
    refused([](RetentionState& s) { s.positions.clear(); });
    refused([](RetentionState& s) { s.positions = {-5}; });
    refused([](RetentionState& s) { s.pending = {97}; });
    refused([](RetentionState& s) { s.layers[0].tensors[0] = s.layers[0].tensors[0].to(at::kLong); });
    refused([](RetentionState& s) { s.layers[0].tensors[0] = torch::zeros({1, 4, 8, 3}); });
    refused([](RetentionState& s) { s.layers[1].tensors.push_back(torch::zeros({1})); });
  }
  const auto model = tiny("test_transformer");
  auto state = after_some_tokens(*model);
  state.layers[0].tensors[2] = torch::full({}, 1000, at::kLong);
  CHECK_THROWS_AS(model->forward(torch::zeros({1, 1}, at::kLong), &state), StateError);
}

TEST_CASE("ranges beyond the tokens and overlapping ones are refused", "[retnet]") {
  const auto model = tiny("test_retnet");
  const auto tokens = torch::zeros({1, 6}, at::kLong);
  const auto run = [&](std::vector<int64_t> ranges) {
    model->forward(tokens, nullptr, {.ranges = torch::tensor(ranges, at::kLong).view({-1, 2})});
  };
  CHECK_THROWS_AS(run({0, 1000000}), InvalidArgument);
  CHECK_THROWS_AS(run({-1, 3}), InvalidArgument);
  CHECK_THROWS_AS(run({0, 4, 2, 6}), InvalidArgument);
  CHECK_THROWS_AS(run({3, 2}), InvalidArgument);
  CHECK_NOTHROW(run({0, 4, 4, 6, 2, 2}));
  CHECK_THROWS_AS(model->forward(tokens, nullptr, {.chunk = -1}), InvalidArgument);
}

TEST_CASE("a restored state continues prepared models byte for byte, in every precision", "[state][prepared]") {
  const torch::NoGradGuard no_grad;
  const TemporaryFolder folder;
  for (const std::string name : {"test_retnet", "test_retnet_fla", "test_transformer"}) {
    for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8, Precision::int4}) {
      const auto model = tiny(name);
      nn::prepare_inference(*model, {.precision = precision});
      auto state = after_some_tokens(*model);
      state.save(folder / "s.state", "m");
      auto restored = RetentionState::load(folder / "s.state", "m");
      const auto kept = restored;
      for (int64_t i = 0; i < 4; ++i) {
        const auto token = torch::full({1, 1}, 5 + i, at::kLong);
        INFO(name << " " << enum_name(precision) << " step " << i);
        CHECK(model->forward(token, &restored).equal(model->forward(token, &state)));
      }
      auto again = kept;
      auto fresh = RetentionState::load(folder / "s.state", "m");
      const auto token = torch::full({1, 1}, 9, at::kLong);
      CHECK(model->forward(token, &again).equal(model->forward(token, &fresh)));
    }
  }
}

TEST_CASE("gradients reach only what wants them, twice if asked", "[retnet]") {
  const auto model = tiny("test_retnet");
  for (auto& item : model->named_parameters()) {
    if (item.key().find("k_proj") != std::string::npos) item.value().requires_grad_(false);
  }
  const auto logits = model->forward(torch::arange(9).unsqueeze(0), nullptr, {.form = Form::chunkwise, .chunk = 4});
  const auto weight = model->named_parameters()["layers.0.retention.q_proj.weight"];
  const auto first = torch::autograd::grad({logits.square().sum()}, {weight}, {}, true, /*create_graph=*/true);
  first[0].square().sum().backward();
  CHECK(weight.grad().isfinite().all().item<bool>());
  CHECK(weight.grad().abs().max().item<double>() > 0);
}

}  // namespace
}  // namespace retentive::testing
