#include <torch/torch.h>

#include <models/registry.h>
#include <models/retention_state.h>
#include <models/test_files.h>
#include <retention/base/error.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::RetentionState;
using torch::Tensor;

std::shared_ptr<models::RetnetImpl> tiny(const std::string& name = "test_retnet") {
  auto model = models::as_language_model(models::build(models::find_model(name).config, 1), name);
  model->eval();
  return model;
}

Tensor some_tokens(int64_t rows, int64_t length, uint64_t seed) {
  return torch::randint(0, 97, {rows, length}, at::detail::createCPUGenerator(seed), at::kLong);
}

TEST_CASE("a saved state continues byte for byte", "[state]") {
  const TemporaryFolder folder;
  const torch::NoGradGuard no_grad;
  for (const std::string name : {"test_retnet", "test_retnet_fla", "test_transformer"}) {
    const auto model = tiny(name);
    auto state = model->new_state(2);
    model->forward(some_tokens(2, 19, 1), &state);
    state.save(folder / "s.state", "abc");
    auto restored = RetentionState::load(folder / "s.state", "abc");
    CHECK(restored.positions == state.positions);
    const auto next = some_tokens(2, 1, 2);
    CHECK(model->forward(next, &restored).equal(model->forward(next, &state)));
  }
}

TEST_CASE("a damaged state and the state of another model are refused", "[state]") {
  const TemporaryFolder folder;
  const torch::NoGradGuard no_grad;
  const auto model = tiny();
  auto state = model->new_state(1);
  model->forward(some_tokens(1, 5, 1), &state);
  state.save(folder / "s.state", "abc");
  CHECK_THAT(message_of<StateError>([&] { RetentionState::load(folder / "s.state", "abd"); }),
             Contains("another model"));
  auto bytes = read_text(folder / "s.state");
  bytes[bytes.size() - 3] ^= 1;
  std::ofstream(folder / "bad.state", std::ios::binary) << bytes;
  CHECK_THAT(message_of<CheckpointError>([&] { RetentionState::load(folder / "bad.state", "abc"); }),
             Contains("checksum"));
  CHECK_THROWS_AS(RetentionState::load(folder / "none.state", "abc"), CheckpointError);
}

TEST_CASE("states branch, join and stay independent", "[state]") {
  WorstDeviation worst("rows joined and alone");
  const torch::NoGradGuard no_grad;
  for (const std::string name : {"test_retnet", "test_transformer"}) {
    const auto model = tiny(name);
    auto first = model->new_state(1), second = model->new_state(1);
    model->forward(some_tokens(1, 12, 3), &first);
    model->forward(some_tokens(1, 12, 4), &second);
    auto joined = RetentionState::concat({first, second, first});
    const auto tokens = some_tokens(3, 4, 5);
    const auto together = model->forward(tokens, &joined);
    auto branch = first;
    CHECK(worst.add(name, deviation(together.slice(0, 2, 3), model->forward(tokens.slice(0, 2, 3), &branch))) < 1e-5);
    CHECK(worst.add(name, deviation(together.slice(0, 1, 2), model->forward(tokens.slice(0, 1, 2), &second))) < 1e-5);
    CHECK(first.positions == std::vector<int64_t>{12});
    auto left = joined.select({1});
    const auto next = some_tokens(1, 1, 6);
    CHECK(worst.add(name, deviation(model->forward(next, &left), model->forward(next, &second))) < 1e-5);
  }
}

TEST_CASE("the size of a retention state does not depend on the tokens", "[state]") {
  const torch::NoGradGuard no_grad;
  const auto model = tiny();
  auto state = model->new_state(1);
  model->forward(some_tokens(1, 3, 1), &state);
  const auto bytes = state.bytes();
  model->forward(some_tokens(1, 600, 2), &state);
  CHECK(state.bytes() == bytes);
  CHECK(bytes == 3 * 4 * 8 * 16 * 4);
  CHECK_THROWS_AS(state.select({1}), InvalidArgument);
  CHECK_THROWS_AS(RetentionState::concat({state, tiny("test_retnet_fla")->new_state(1)}), InvalidArgument);
}

}  // namespace
}  // namespace retentive::testing
