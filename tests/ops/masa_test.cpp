#include <cmath>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/kernels/masa_reference.h>
#include <retention/ops/masa.h>
#include <retention/ops/position.h>
#include <support/tensors.h>

using namespace retentive;
using namespace retentive::testing;
using torch::Tensor;

namespace {

struct Case {
  int64_t batch, height, width, heads, dim;
};

const std::vector<Case> kOddShapes = {{1, 1, 1, 1, 16}, {2, 7, 5, 3, 16}, {1, 14, 14, 2, 32}, {1, 25, 42, 1, 20},
                                      {1, 1, 9, 3, 32}, {3, 6, 1, 1, 2},  {1, 9, 7, 5, 20}};

struct Inputs {
  Inputs(const Case& c, at::ScalarType dtype, uint64_t seed = 1)
      : q(random_tensor({c.batch, c.height, c.width, c.heads, c.dim}, seed, dtype)),
        k(random_tensor(q.sizes(), seed + 1, dtype)),
        v(random_tensor(q.sizes(), seed + 2, dtype)),
        log_gamma(log_gamma_rmt(c.heads, 2, 4)),
        angle(rotary_angles(c.dim)),
        scale(1 / std::sqrt(static_cast<double>(c.dim))) {}

  Tensor q, k, v, log_gamma, angle;
  double scale;
};

template <class T>
Tensor reference(const Inputs& in, bool decomposed, DecayMode mode) {
  const auto& q = in.q;
  const retention::MasaProblem problem{q.size(0), q.size(1), q.size(2), q.size(3), q.size(4), in.scale, mode};
  auto out = torch::empty_like(q).fill_(NAN);
  const auto run = decomposed ? &retention::masa_decomposed_reference<T> : &retention::masa_reference<T>;
  run(problem, q.data_ptr<T>(), in.k.data_ptr<T>(), in.v.data_ptr<T>(), in.log_gamma.data_ptr<float>(),
      in.angle.data_ptr<float>(), out.data_ptr<T>());
  return out;
}

Tensor run(const Inputs& in, bool decomposed, DecayMode mode = DecayMode::release) {
  return (decomposed ? masa_decomposed : masa)(in.q, in.k, in.v, in.log_gamma, in.angle, in.scale, mode);
}

}  // namespace

TEST_CASE("MaSA ops equal the naive reference on odd shapes", "[masa]") {
  WorstDeviation worst32("masa ops vs reference, float32"), worst64("masa ops vs reference, float64");
  for (const bool decomposed : {false, true}) {
    for (const auto mode : {DecayMode::release, DecayMode::paper}) {
      for (const auto& shape : kOddShapes) {
        const Inputs f32(shape, torch::kFloat), f64(shape, torch::kDouble);
        const auto name = std::to_string(shape.height) + "x" + std::to_string(shape.width);
        CHECK(worst32.add(name, deviation(run(f32, decomposed, mode), reference<float>(f32, decomposed, mode))) < 1e-5);
        CHECK(worst64.add(name, deviation(run(f64, decomposed, mode), reference<double>(f64, decomposed, mode))) <
              1e-12);
      }
    }
  }
}

TEST_CASE("MaSA ops round bfloat16 input only where they must", "[masa]") {
  // Rotated q and k, probabilities and the result may be rounded once each, to 2^-8 of themselves.
  constexpr double kBound = 4.0 / 256;

  for (const bool decomposed : {false, true}) {
    Inputs in({2, 7, 5, 3, 16}, torch::kFloat);
    for (auto* x : {&in.q, &in.k, &in.v}) *x = x->to(torch::kBFloat16).to(torch::kFloat);
    const auto exact = run(in, decomposed);
    for (auto* x : {&in.q, &in.k, &in.v}) *x = x->to(torch::kBFloat16);
    const auto rounded = run(in, decomposed);
    CHECK(rounded.scalar_type() == torch::kBFloat16);
    CHECK(deviation(rounded, exact) < kBound);
  }
}

TEST_CASE("MaSA ops accept strided input", "[masa]") {
  Inputs in({2, 4, 6, 2, 8}, torch::kFloat);
  const auto packed = torch::stack({in.q, in.k, in.v}, 3);
  Inputs strided = in;
  strided.q = packed.select(3, 0);
  strided.k = packed.select(3, 1);
  strided.v = packed.select(3, 2);
  for (const bool decomposed : {false, true}) CHECK(deviation(run(strided, decomposed), run(in, decomposed)) < 1e-6);
}

TEST_CASE("log_gamma = 0 makes MaSA plain softmax attention", "[masa][law]") {
  Inputs in({2, 5, 7, 3, 16}, torch::kDouble);
  in.log_gamma.zero_();
  in.angle.zero_();
  const auto tokens = [](const Tensor& x) { return x.flatten(1, 2).transpose(1, 2); };
  const auto attention =
      torch::scaled_dot_product_attention(tokens(in.q), tokens(in.k), tokens(in.v), {}, 0.0, false, in.scale);
  const auto expected = attention.transpose(1, 2).reshape(in.q.sizes());
  CHECK(deviation(run(in, false), expected) < 1e-12);
  CHECK(deviation(run(in, false, DecayMode::paper), expected) < 1e-12);
}

TEST_CASE("decomposed MaSA on one row is its row pass, and full MaSA", "[masa][law]") {
  for (const auto mode : {DecayMode::release, DecayMode::paper}) {
    const Inputs row({2, 1, 63, 3, 16}, torch::kDouble), column({2, 65, 1, 3, 16}, torch::kDouble);
    CHECK(deviation(run(row, true, mode), run(row, false, mode)) < 1e-12);
    CHECK(deviation(run(column, true, mode), run(column, false, mode)) < 1e-12);
  }
}

TEST_CASE("decomposed MaSA is not the full one", "[masa]") {
  const Inputs in({1, 7, 5, 3, 16}, torch::kDouble);
  CHECK(deviation(run(in, true), run(in, false)) > 1e-2);
}

TEST_CASE("batch entries and heads do not see each other", "[masa][law]") {
  for (const bool decomposed : {false, true}) {
    Inputs in({3, 4, 5, 2, 8}, torch::kDouble);
    const auto whole = run(in, decomposed);
    Inputs part = in;
    for (auto* x : {&part.q, &part.k, &part.v}) *x = x->slice(0, 1, 2).slice(3, 1, 2);
    part.log_gamma = in.log_gamma.slice(0, 1, 2);
    CHECK(deviation(run(part, decomposed), whole.slice(0, 1, 2).slice(3, 1, 2)) < 1e-13);
  }
}

TEST_CASE("gradients of the MaSA ops equal finite differences", "[masa][grad]") {
  for (const bool decomposed : {false, true}) {
    for (const auto mode : {DecayMode::release, DecayMode::paper}) {
      Inputs in({2, 3, 4, 2, 4}, torch::kDouble);
      const auto weight = random_tensor(in.q.sizes(), 9, torch::kDouble);
      for (auto* x : {&in.q, &in.k, &in.v}) x->set_requires_grad(true);
      (run(in, decomposed, mode) * weight).sum().backward();
      torch::NoGradGuard no_grad;
      for (auto* x : {&in.q, &in.k, &in.v}) {
        const auto grad = x->grad();
        auto flat = x->view(-1);
        for (int64_t i = 0; i < flat.numel(); i += 7) {
          const double value = flat[i].item<double>(), step = 1e-5;
          flat[i].fill_(value + step);
          const double above = (run(in, decomposed, mode) * weight).sum().item<double>();
          flat[i].fill_(value - step);
          const double below = (run(in, decomposed, mode) * weight).sum().item<double>();
          flat[i].fill_(value);
          REQUIRE(grad.view(-1)[i].item<double>() == Approx((above - below) / (2 * step)).epsilon(1e-6).margin(1e-8));
        }
      }
    }
  }
}

TEST_CASE("wrong arguments are refused with names and shapes", "[masa]") {
  const Inputs good({2, 4, 6, 2, 8}, torch::kFloat);
  const auto refuses = [&](const char* what, auto&& spoil) {
    Inputs in = good;
    spoil(in);
    for (const bool decomposed : {false, true}) CHECK_THROWS_WITH(run(in, decomposed), Catch::Contains(what));
    CHECK_THROWS_AS(run(in, false), InvalidArgument);
  };
  refuses("[2, 24, 2, 8]", [](Inputs& in) { in.q = in.q.flatten(1, 2); });
  refuses("v is [2, 4, 5, 2, 8]", [](Inputs& in) { in.v = in.v.slice(2, 0, 5); });
  refuses("log_gamma is [3]", [](Inputs& in) { in.log_gamma = torch::zeros({3}); });
  refuses("angle is [4]", [](Inputs& in) { in.angle = torch::zeros({4}); });
  refuses("dtype", [](Inputs& in) { in.k = in.k.to(torch::kDouble); });
  refuses("non-empty", [](Inputs& in) { in.q = in.k = in.v = torch::zeros({0, 4, 6, 2, 8}); });
  refuses("even", [](Inputs& in) { in.q = in.k = in.v = torch::zeros({1, 4, 6, 2, 7}); });
}

TEST_CASE("the ops are registered with the dispatcher under their schema", "[masa]") {
  for (const char* name : {"retentive::masa", "retentive::masa_decomposed"}) {
    const auto op = c10::Dispatcher::singleton().findSchema({name, ""});
    REQUIRE(op.has_value());
    CHECK(op->schema().arguments().size() == 7);
  }
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retentive::masa", "");
  const Inputs in({1, 2, 2, 1, 4}, torch::kFloat);
  std::vector<c10::IValue> stack = {in.q, in.k, in.v, in.log_gamma, in.angle, in.scale, "before"};
  CHECK_THROWS_WITH(op.callBoxed(stack), Catch::Contains("\"release\" | \"paper\""));
}
