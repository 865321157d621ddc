#include <torch/torch.h>

#include <retention/nn/groups.h>
#include <retention/nn/linear.h>
#include <support/tensors.h>

using namespace retentive;
using namespace retentive::testing;
using torch::Tensor;

namespace {

struct Case {
  int64_t rows, in, out;
};

const std::vector<Case> kShapes = {{1, 1, 1},     {1, 64, 10},    {197, 20, 3},
                                   {35, 512, 64}, {3137, 16, 48}, {8, 1024, 1000}};

nn::Linear make(int64_t in, int64_t out, uint64_t seed, at::ScalarType dtype = torch::kFloat) {
  nn::Linear linear(in, out);
  const torch::NoGradGuard no_grad;
  linear->weight.copy_(random_tensor({out, in}, seed) / std::sqrt(static_cast<double>(in)));
  linear->bias.copy_(random_tensor({out}, seed + 1));
  linear->to(dtype);
  return linear;
}

std::string name_of(const Case& c) {
  return std::to_string(c.rows) + " rows, " + std::to_string(c.in) + " -> " + std::to_string(c.out);
}

Tensor leaf(const Tensor& x, at::ScalarType dtype) { return x.to(dtype, false, true).requires_grad_(); }

}  // namespace

TEST_CASE("linear maps and their gradients equal products in double", "[linear][grad]") {
  WorstDeviation worst("linear, values and gradients");
  for (const auto& shape : kShapes) {
    const auto linear = make(shape.in, shape.out, 1), exact = make(shape.in, shape.out, 1, torch::kDouble);
    const auto input = random_tensor({shape.rows, shape.in}, 5), factor = random_tensor({shape.rows, shape.out}, 6);
    const auto x = leaf(input, torch::kFloat), z = leaf(input, torch::kDouble);
    const auto y = nn::Linear(linear)->forward(x);
    const auto expected = z.mm(exact->weight.t()) + exact->bias;
    y.backward(factor);
    expected.backward(factor.to(torch::kDouble));
    const auto name = name_of(shape);
    CHECK(worst.add(name, deviation(y, expected)) < 1e-5);
    CHECK(worst.add(name, deviation(x.grad(), z.grad())) < 1e-5);
    CHECK(worst.add(name, deviation(linear->weight.grad(), exact->weight.grad())) < 1e-5);
    CHECK(worst.add(name, deviation(linear->bias.grad(), exact->bias.grad())) < 1e-5);
  }
}

TEST_CASE("a group of linear maps adds up the gradients of its input", "[linear][grad]") {
  std::vector<nn::Linear> parts = {make(24, 16, 1), make(24, 40, 3), make(24, 16, 5)};
  const auto input = random_tensor({2, 5, 7, 24}, 9);
  const auto together = leaf(input, torch::kFloat), apart = leaf(input, torch::kFloat);
  auto outputs = nn::ProjectionGroup(parts).forward(together);
  REQUIRE(outputs.size() == 3);
  // One output unused, one gradient strided.
  const auto factor = random_tensor({2, 7, 5, 40}, 7).transpose(1, 2);
  (outputs[0].sum() + (outputs[1] * factor).sum()).backward();
  const auto bias_gradient = parts[1]->bias.grad().clone();
  for (auto& part : parts) part->zero_grad();
  (torch::linear(apart, parts[0]->weight, parts[0]->bias).sum() +
   (torch::linear(apart, parts[1]->weight, parts[1]->bias) * factor).sum())
      .backward();
  CHECK(deviation(together.grad(), apart.grad()) < 1e-5);
  CHECK(deviation(bias_gradient, parts[1]->bias.grad()) < 1e-5);
  for (auto& part : parts) part->weight.requires_grad_(false);
  const auto frozen = leaf(input, torch::kFloat);
  outputs = nn::ProjectionGroup(parts).forward(frozen);
  (outputs[0].sum() + (outputs[1] * factor).sum()).backward();
  CHECK(torch::equal(frozen.grad(), together.grad()));
}

TEST_CASE("linear maps take strided input and can be differentiated twice", "[linear][grad]") {
  const auto linear = make(12, 8, 1), exact = make(12, 8, 1, torch::kDouble);
  const auto input = random_tensor({3, 12, 5}, 4);
  const auto second = [](nn::Linear map, const Tensor& leaf_of_map) {
    const auto y = map->forward(leaf_of_map.transpose(1, 2));
    const auto first = torch::autograd::grad({y.pow(3).sum()}, {leaf_of_map}, {}, true, /*create_graph=*/true);
    first[0].pow(2).sum().backward();
  };
  const auto x = leaf(input, torch::kFloat), z = leaf(input, torch::kDouble);
  second(linear, x);
  second(exact, z);
  CHECK(deviation(x.grad(), z.grad()) < 1e-4);
  CHECK(deviation(linear->weight.grad(), exact->weight.grad()) < 1e-4);
  CHECK(deviation(linear->bias.grad(), exact->bias.grad()) < 1e-4);
}

TEST_CASE("an epilogue adds the residual after drop path and scale", "[linear][grad]") {
  const auto linear = make(8, 8, 1);
  const auto scale = random_tensor({8}, 2).requires_grad_();
  const auto x = leaf(random_tensor({4, 8}, 3), torch::kFloat);
  nn::DropPath drop_path(0.5);
  for (const bool training : {false, true}) {
    drop_path->train(training);
    drop_path->set_generator(at::make_generator<at::CPUGeneratorImpl>(7));
    const auto y = nn::Linear(linear)->forward(x, {.residual = x, .scale = scale, .drop_path = drop_path});
    drop_path->set_generator(at::make_generator<at::CPUGeneratorImpl>(7));
    const auto branch = torch::linear(x, linear->weight, linear->bias) * scale;
    const auto expected = x + drop_path->forward(branch);
    CHECK(deviation(y, expected) < 1e-6);
    const auto factor = random_tensor({4, 8}, 5);
    const auto ours = torch::autograd::grad({y}, {x, scale, linear->weight}, {factor});
    const auto theirs = torch::autograd::grad({expected}, {x, scale, linear->weight}, {factor});
    for (size_t i = 0; i < 3; ++i) CHECK(deviation(ours[i], theirs[i]) < 1e-5);
  }
}
