#include <array>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/ops/depthwise.h>
#include <support/tensors.h>

using namespace retentive;
using namespace retentive::testing;
using torch::Tensor;

namespace {

struct Case {
  int64_t batch, height, width, channels, kernel;
};

// 7 has no kernel: it takes the composed form.
const std::vector<Case> kOddShapes = {{1, 1, 1, 1, 3},    {2, 7, 5, 20, 3},  {1, 14, 14, 32, 5}, {1, 25, 42, 17, 3},
                                      {2, 1, 9, 16, 5},   {1, 9, 1, 48, 5},  {3, 6, 6, 64, 3},   {2, 5, 7, 6, 7},
                                      {1, 56, 56, 64, 5}, {2, 3, 4, 192, 3}, {1, 2, 130, 33, 3}};
const std::array<DepthwiseOptions, 4> kOptions = {{{false, false}, {true, false}, {false, true}, {true, true}}};

struct Inputs {
  explicit Inputs(const Case& c, at::ScalarType dtype = torch::kFloat)
      : x(random_tensor({c.batch, c.height, c.width, c.channels}, 1, dtype)),
        weight(random_tensor({c.channels, 1, c.kernel, c.kernel}, 2, dtype) / c.kernel),
        bias(random_tensor({c.channels}, 3, dtype)),
        addend(random_tensor(x.sizes(), 4, dtype)) {}

  std::array<Tensor*, 4> all() { return {&x, &weight, &bias, &addend}; }

  Inputs leaves(at::ScalarType dtype) const {
    Inputs copy = *this;
    for (auto* t : copy.all()) *t = t->detach().to(dtype, false, /*copy=*/true).requires_grad_();
    return copy;
  }

  Tensor x, weight, bias, addend;
};

Tensor run(const Inputs& in, const DepthwiseOptions& options, bool with_addend = true) {
  return depthwise_conv(in.x, in.weight, in.bias, with_addend ? std::optional(in.addend) : std::nullopt, options);
}

// From the definition, in other operators than the composed form: one shifted product for every tap.
Tensor plain(const Inputs& in, const DepthwiseOptions& options) {
  const auto t = options.gelu_input ? 0.5 * in.x * torch::erfc(-in.x / std::sqrt(2.0)) : in.x;
  const auto height = t.size(1), width = t.size(2), k = in.weight.size(2);
  const auto padded = torch::constant_pad_nd(t, {0, 0, k / 2, k / 2, k / 2, k / 2});
  auto y = in.bias + in.addend;
  for (int64_t dy = 0; dy < k; ++dy) {
    for (int64_t dx = 0; dx < k; ++dx) {
      const auto tap = in.weight.select(3, dx).select(2, dy).flatten();  // [C]
      y = y + padded.slice(1, dy, dy + height).slice(2, dx, dx + width) * tap;
    }
  }
  return options.add_input ? y + t : y;
}

std::string name_of(const Case& c) {
  return std::to_string(c.height) + "x" + std::to_string(c.width) + "x" + std::to_string(c.channels) + " k" +
         std::to_string(c.kernel);
}

}  // namespace

TEST_CASE("depthwise_conv equals the sum over taps on odd shapes", "[depthwise]") {
  WorstDeviation worst("depthwise_conv vs definition, float32");
  for (const auto& shape : kOddShapes) {
    for (const auto& options : kOptions) {
      const Inputs in(shape);
      CHECK(worst.add(name_of(shape), deviation(run(in, options), plain(in.leaves(torch::kDouble), options))) < 1e-5);
    }
  }
  const Inputs in({2, 7, 5, 20, 3}, torch::kDouble);
  CHECK(deviation(run(in, kOptions[3]), plain(in, kOptions[3])) < 1e-13);
  CHECK(deviation(run(in, kOptions[3], false), plain(in, kOptions[3]) - in.addend) < 1e-13);
}

TEST_CASE("gradients of depthwise_conv equal those of the definition", "[depthwise][grad]") {
  // Sums over up to 3,136 tokens of float products: their rounding grows with the root of the count.
  WorstDeviation worst("depthwise_conv gradients, float32");
  for (const auto& shape : kOddShapes) {
    for (const auto& options : kOptions) {
      const Inputs in(shape);
      auto fast = in.leaves(torch::kFloat), exact = in.leaves(torch::kDouble);
      const auto factor = random_tensor(in.x.sizes(), 9);
      run(fast, options).backward(factor);
      plain(exact, options).backward(factor.to(torch::kDouble));
      for (size_t i = 0; i < 4; ++i) {
        CHECK(worst.add(name_of(shape), deviation(fast.all()[i]->grad(), exact.all()[i]->grad())) < 1e-5);
      }
    }
  }
}

TEST_CASE("gradients of depthwise_conv equal finite differences", "[depthwise][grad]") {
  auto in = Inputs({2, 3, 4, 5, 3}, torch::kDouble).leaves(torch::kDouble);
  const auto factor = random_tensor(in.x.sizes(), 9, torch::kDouble);
  const auto loss = [&] { return (run(in, kOptions[3]) * factor).sum(); };
  loss().backward();
  const torch::NoGradGuard no_grad;
  for (auto* t : in.all()) {
    auto flat = t->view(-1);
    const auto grad = t->grad().reshape(-1);
    for (int64_t i = 0; i < flat.numel(); i += 7) {
      const double value = flat[i].item<double>(), step = 1e-5;
      flat[i].fill_(value + step);
      const double above = loss().item<double>();
      flat[i].fill_(value - step);
      const double below = loss().item<double>();
      flat[i].fill_(value);
      REQUIRE(grad[i].item<double>() == Approx((above - below) / (2 * step)).epsilon(1e-6).margin(1e-8));
    }
  }
}

TEST_CASE("depthwise_conv takes strided maps and gradients", "[depthwise][grad]") {
  for (const int64_t kernel : {3, 5}) {
    const Inputs in({2, 7, 5, 24, kernel});
    auto packed = torch::cat({in.x + 1, in.x, in.x - 1}, 3).requires_grad_();
    auto compact = in.leaves(torch::kFloat);
    auto strided = in.leaves(torch::kFloat);
    strided.x = packed.slice(3, 24, 48);
    const auto a = run(compact, kOptions[2]), b = run(strided, kOptions[2]);
    CHECK(deviation(a, b) < 1e-6);
    const auto factor = random_tensor({2, 24, 5, 7}, 9).permute({0, 3, 2, 1});
    a.backward(factor);
    b.backward(factor);
    CHECK(deviation(packed.grad().slice(3, 24, 48), compact.x.grad()) < 1e-6);
    CHECK(packed.grad().slice(3, 0, 24).abs().max().item<float>() == 0);
    CHECK(deviation(strided.weight.grad(), compact.weight.grad()) < 1e-6);

    Inputs turned = in;
    turned.x = in.x.permute({0, 2, 1, 3}).contiguous().permute({0, 2, 1, 3});  // tokens at no one distance
    turned.addend = in.addend.permute({3, 0, 1, 2}).contiguous().permute({1, 2, 3, 0});
    CHECK(deviation(run(turned, kOptions[1]), run(in, kOptions[1])) < 1e-6);
  }
}

TEST_CASE("depthwise_conv can be differentiated twice", "[depthwise][grad]") {
  const Inputs in({1, 4, 5, 6, 3});
  auto fast = in.leaves(torch::kFloat), exact = in.leaves(torch::kDouble);
  const auto second = [](Inputs& of, const Tensor& y) {
    const auto first = torch::autograd::grad({y.pow(2).sum()}, {of.x, of.weight}, {}, true, /*create_graph=*/true);
    (first[0].pow(2).sum() + first[1].sum()).backward();
  };
  second(fast, run(fast, kOptions[3]));
  second(exact, plain(exact, kOptions[3]));
  for (size_t i = 0; i < 4; ++i) CHECK(deviation(fast.all()[i]->grad(), exact.all()[i]->grad()) < 1e-4);
}

TEST_CASE("depthwise_conv gives the same bits for any number of threads", "[depthwise]") {
  const int before = at::get_num_threads();
  std::vector<Tensor> results[2];
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    auto in = Inputs({2, 14, 14, 40, 5}).leaves(torch::kFloat);
    const auto y = run(in, kOptions[3]);
    y.backward(random_tensor(in.x.sizes(), 9));
    results[threads - 1] = {y, in.x.grad(), in.weight.grad(), in.bias.grad()};
  }
  at::set_num_threads(before);
  for (size_t i = 0; i < results[0].size(); ++i) CHECK(torch::equal(results[0][i], results[1][i]));
}

TEST_CASE("depthwise_conv refuses what does not fit", "[depthwise]") {
  const auto refuses = [](const char* what, auto&& spoil) {
    Inputs in({2, 4, 6, 8, 3});
    spoil(in);
    CHECK_THROWS_WITH(run(in, {}), Catch::Contains(what));
    CHECK_THROWS_AS(run(in, {}), InvalidArgument);
  };
  refuses("x is [8, 6, 8]", [](Inputs& in) { in.x = in.x.flatten(0, 1); });
  refuses("non-empty", [](Inputs& in) { in.x = torch::zeros({0, 4, 6, 8}); });
  refuses("weight is [8, 3, 3]", [](Inputs& in) { in.weight = in.weight.squeeze(1); });
  refuses("odd k", [](Inputs& in) { in.weight = torch::zeros({8, 1, 2, 2}); });
  refuses("bias is [3]", [](Inputs& in) { in.bias = torch::zeros({3}); });
  refuses("addend is [2, 4, 6, 7]", [](Inputs& in) { in.addend = torch::zeros({2, 4, 6, 7}); });
  refuses("double", [](Inputs& in) { in.weight = in.weight.to(torch::kDouble); });
}
