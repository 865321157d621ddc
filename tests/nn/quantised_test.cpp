#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/nn/detail/quantised.h>
#include <support/catch.h>
#include <support/tensors.h>

using namespace retentive;
using namespace retentive::testing;
using nn::detail::dequantise;
using nn::detail::quantise;

TEST_CASE("quantised activations carry their scales", "[quantised]") {
  const auto x = random_tensor({3, 5, 20}, 1).to(torch::kFloat);
  const auto q = quantise(x);
  REQUIRE(q.scalar_type() == torch::kChar);
  CHECK((dequantise(q) - x).abs().max().item<double>() < x.abs().max().item<double>() / 127);
  CHECK(quantise(q).data_ptr() == q.data_ptr());
  CHECK(dequantise(q.view({15, 20})).equal(dequantise(q).view({15, 20})));
}

TEST_CASE("int8 tensors without scales of their own are refused", "[quantised]") {
  const auto q = quantise(random_tensor({4, 64}, 2).to(torch::kFloat));
  const std::vector<std::pair<const char*, torch::Tensor>> wrong = {
      {"foreign", torch::ones({4, 64}, torch::kChar)},
      {"of a larger storage", torch::ones({8, 640}, torch::kChar).flatten().slice(0, 0, 256).view({4, 64})},
      {"first rows", q.narrow(0, 0, 2)},
      {"last rows", q.narrow(0, 2, 2)},
      {"some channels", q.narrow(1, 0, 32)},
      {"other rows", q.view({8, 32})},
      {"transposed", q.t()},
      {"copy", q.clone()},
      {"scalar", torch::ones({}, torch::kChar)}};
  for (const auto& [name, tensor] : wrong) {
    INFO(name);
    CHECK_THROWS_AS(quantise(tensor), InvalidArgument);
    CHECK_THROWS_AS(dequantise(tensor), InvalidArgument);
  }
  CHECK_THROWS_WITH(quantise(q.clone()), Catch::Contains("[4, 64]") && Catch::Contains("scales"));
}
