#include <torch/torch.h>

#include <models/test_files.h>
#include <retention/base/error.h>
#include <retention/ops/head_norm.h>
#include <retention/ops/position.h>
#include <retention/ops/retention.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using torch::Tensor;

struct Sequence {
  Sequence(int64_t batch, int64_t tokens, int64_t heads, int64_t key_dim, int64_t value_dim, uint64_t seed,
           at::ScalarType type)
      : q(random_tensor({batch, tokens, heads, key_dim}, seed, type)),
        k(random_tensor({batch, tokens, heads, key_dim}, seed + 1, type)),
        v(random_tensor({batch, tokens, heads, value_dim}, seed + 2, type)),
        log_gamma(log_gamma_retnet(heads)) {}

  RetentionResult run(Form form, int64_t chunk = 1, const Tensor& state = {}) const {
    return causal_retention(q, k, v, log_gamma, {.form = form, .chunk = chunk, .k_scale = scale(), .state = state});
  }
  double scale() const { return 1 / std::sqrt(static_cast<double>(q.size(3))); }
  Sequence part(int64_t begin, int64_t end) const {
    Sequence cut = *this;
    for (auto* x : {&cut.q, &cut.k, &cut.v}) *x = x->slice(1, begin, end);
    return cut;
  }

  Tensor q, k, v, log_gamma;
};

// The definition, one token after the other.
Tensor by_definition(const Sequence& s) {
  const auto q = s.q.to(at::kDouble), k = s.k.to(at::kDouble) * s.scale(), v = s.v.to(at::kDouble);
  auto out = torch::zeros_like(v);
  const auto gamma = s.log_gamma.to(at::kDouble).exp();
  for (int64_t b = 0; b < q.size(0); ++b) {
    for (int64_t n = 0; n < q.size(2); ++n) {
      auto state = torch::zeros({q.size(3), v.size(3)}, at::kDouble);
      for (int64_t t = 0; t < q.size(1); ++t) {
        state = state * gamma[n] + torch::outer(k[b][t][n], v[b][t][n]);
        out[b][t][n] = torch::matmul(q[b][t][n], state);
      }
    }
  }
  return out;
}

TEST_CASE("retention is its definition in every form", "[retention]") {
  WorstDeviation worst32("retention fp32"), worst64("retention fp64");
  for (const int64_t tokens : {1, 2, 63, 65}) {
    for (const auto type : {at::kFloat, at::kDouble}) {
      const Sequence s(2, tokens, 3, 16, 20, 7, type);
      const auto expected = by_definition(s);
      const auto check = [&](const Tensor& out) {
        const auto error = deviation(out, expected);
        CHECK((type == at::kFloat ? worst32 : worst64).add(std::to_string(tokens), error) <
              (type == at::kFloat ? 1e-5 : 1e-12));
      };
      check(s.run(Form::parallel).out);
      check(s.run(Form::recurrent).out);
      for (const int64_t chunk : {1, 3, 64, 512}) check(s.run(Form::chunkwise, chunk).out);
    }
  }
}

TEST_CASE("a state carries across any cut", "[retention]") {
  WorstDeviation worst("carried state fp64");
  const Sequence s(2, 37, 3, 8, 12, 21, at::kDouble);
  const auto whole = s.run(Form::parallel);
  for (const int64_t cut : {1, 5, 36}) {
    for (const auto first : {Form::parallel, Form::recurrent, Form::chunkwise}) {
      for (const auto second : {Form::parallel, Form::recurrent, Form::chunkwise}) {
        const auto before = s.part(0, cut).run(first, 4);
        const auto after = s.part(cut, 37).run(second, 7, before.state);
        CHECK(worst.add("out", deviation(torch::cat({before.out, after.out}, 1), whole.out)) < 1e-12);
        CHECK(worst.add("state", deviation(after.state, whole.state)) < 1e-12);
      }
    }
  }
}

TEST_CASE("rows of different length equal their single runs", "[retention]") {
  WorstDeviation worst("ragged rows fp64");
  const Sequence s(3, 20, 2, 8, 12, 31, at::kDouble);
  const auto ranges = torch::tensor({11, 20, 20, 33, 40, 60, 40, 40}, at::kLong).view({4, 2});
  for (const auto form : {Form::parallel, Form::recurrent, Form::chunkwise}) {
    const auto result = causal_retention(s.q, s.k, s.v, s.log_gamma,
                                         {.form = form, .chunk = 6, .k_scale = s.scale(), .ranges = ranges});
    const auto flat = result.out.view({60, 2, 12});
    for (int64_t i = 0; i < 3; ++i) {
      const auto begin = ranges[i][0].item<int64_t>(), end = ranges[i][1].item<int64_t>();
      Sequence alone = s;
      alone.q = s.q.view({1, 60, 2, 8}).slice(1, begin, end);
      alone.k = s.k.view({1, 60, 2, 8}).slice(1, begin, end);
      alone.v = s.v.view({1, 60, 2, 12}).slice(1, begin, end);
      const auto single = alone.run(form, 6);
      CHECK(worst.add("out", deviation(flat.slice(0, begin, end), single.out[0])) < 1e-13);
      CHECK(worst.add("state", deviation(result.state[i], single.state[0])) < 1e-13);
    }
    CHECK(result.state[3].abs().max().item<double>() == 0);
    CHECK(flat.slice(0, 0, 11).abs().max().item<double>() == 0);
    CHECK(flat.slice(0, 33, 40).abs().max().item<double>() == 0);
  }
}

// One random case of the property: all forms agree after the head norm, in values and gradients.
struct PropertyCase {
  explicit PropertyCase(std::mt19937& random) {
    const auto pick = [&](int64_t least, int64_t most) {
      return std::uniform_int_distribution<int64_t>(least, most)(random);
    };
    batch = pick(1, 2), tokens = pick(1, 40), heads = pick(1, 4), key_dim = 2 * pick(1, 12), value_dim = pick(4, 24);
    chunk = pick(1, 45);
    eps = std::pow(10.0, -static_cast<double>(pick(3, 12)));
    amplitude = std::pow(10.0, -static_cast<double>(pick(0, 3)));
    seed = static_cast<uint64_t>(pick(0, 1 << 30));
  }
  int64_t batch, tokens, heads, key_dim, value_dim, chunk;
  double eps, amplitude;
  uint64_t seed;
};

std::vector<Tensor> normed_with_gradients(const PropertyCase& c, at::ScalarType type, Form form) {
  Sequence s(c.batch, c.tokens, c.heads, c.key_dim, c.value_dim, c.seed, type);
  for (auto* x : {&s.q, &s.k, &s.v}) *x = (*x * c.amplitude).detach().requires_grad_();
  const auto gate = random_tensor({c.batch, c.tokens, c.heads * c.value_dim}, c.seed + 3, type);
  const auto sums = decay_row_sum(s.log_gamma, torch::arange(c.tokens)).unsqueeze(0).expand({c.batch, -1, -1});
  const auto y = head_norm_gate(s.run(form, c.chunk).out, gate, sums * c.eps, {});
  (y * random_tensor(y.sizes(), c.seed + 4, type)).sum().backward();
  return {y, s.q.grad(), s.k.grad(), s.v.grad()};
}

TEST_CASE("all forms agree for random shapes, chunks and eps", "[retention][property]") {
  WorstDeviation worst32("exact forms fp32"), worst64("exact forms fp64");
  std::mt19937 random(5);
  for (int i = 0; i < 500; ++i) {
    const PropertyCase c(random);
    for (const auto type : {at::kDouble, at::kFloat}) {
      const auto reference = normed_with_gradients(c, type, Form::parallel);
      for (const auto form : {Form::recurrent, Form::chunkwise}) {
        const auto other = normed_with_gradients(c, type, form);
        for (size_t j = 0; j < other.size(); ++j) {
          // Gradients grow as the norm divides by small rows: relative to their own size.
          const auto scale = std::max(1.0, reference[j].abs().max().item<double>());
          const auto error = deviation(other[j] / scale, reference[j] / scale);
          INFO("case " << i << " " << enum_name(form) << " output " << j);
          CHECK((type == at::kFloat ? worst32 : worst64).add(std::to_string(i), error) <
                (type == at::kFloat ? 1e-4 : 1e-10));
        }
      }
    }
  }
}

TEST_CASE("a later token never changes an earlier output", "[retention]") {
  const Sequence s(1, 30, 2, 8, 12, 41, at::kFloat);
  Sequence changed = s;
  changed.k = s.k.clone();
  changed.v = s.v.clone();
  changed.k.slice(1, 17).fill_(1e3);
  changed.v.slice(1, 17).fill_(-1e3);
  for (const auto form : {Form::parallel, Form::recurrent, Form::chunkwise}) {
    const auto before = s.run(form, 8).out, after = changed.run(form, 8).out;
    CHECK(before.slice(1, 0, 17).equal(after.slice(1, 0, 17)));
    CHECK_FALSE(before.slice(1, 17).equal(after.slice(1, 17)));
  }
}

// By the definition, pair by pair.
Tensor rotated_by_definition(const Tensor& x, const Tensor& sin, const Tensor& cos, RotaryStyle style) {
  auto y = torch::empty_like(x, at::kDouble);
  const auto half = x.size(3) / 2;
  for (int64_t j = 0; j < half; ++j) {
    const auto first = style == RotaryStyle::interleaved ? 2 * j : j;
    const auto second = style == RotaryStyle::interleaved ? 2 * j + 1 : j + half;
    const auto s = sin.select(-1, j).unsqueeze(-1).to(at::kDouble), c = cos.select(-1, j).unsqueeze(-1).to(at::kDouble);
    const auto a = x.select(-1, first).to(at::kDouble), b = x.select(-1, second).to(at::kDouble);
    y.select(-1, first) = a * c - b * s;
    y.select(-1, second) = a * s + b * c;
  }
  return y;
}

TEST_CASE("rotary turns pairs, in every style and layout", "[rotary]") {
  WorstDeviation worst("rotary op");
  for (const auto style : {RotaryStyle::interleaved, RotaryStyle::half_split}) {
    for (const int64_t tokens : {1, 7}) {
      const auto wide = random_tensor({2, tokens, 3 * 8 + 5}, 61);
      const auto x = wide.narrow(-1, 3, 24).unflatten(-1, {3, 8});
      const auto phases = random_tensor({1, tokens, 4}, 62);
      const auto sin = phases.sin(), cos = phases.cos();
      const auto expected = rotated_by_definition(x, sin, cos, style);
      CHECK(worst.add("values", deviation(rotary(x, sin, cos, style), expected)) < 1e-6);
      const auto own = x.contiguous().detach().requires_grad_();
      const auto weights = random_tensor(own.sizes(), 63);
      (rotary(own, sin, cos, style) * weights).sum().backward();
      CHECK(worst.add("gradient", deviation(own.grad(), rotated_by_definition(weights, -sin, cos, style))) < 1e-6);
    }
  }
}

TEST_CASE("decay row sums hold near and at gamma = 1", "[retention]") {
  const auto log_gamma = log_gamma_retnet(32);
  const auto sums = decay_row_sum(log_gamma, torch::tensor({0, 1, 100000}, at::kLong));
  CHECK(sums[0].equal(torch::ones(32, at::kDouble)));
  CHECK(sums[2][31].item<double>() == 100001);
  CHECK(sums[2][0].item<double>() == Approx(32).epsilon(1e-6));
  double by_hand = 0;
  for (int i = 0; i <= 100000; ++i) by_hand += std::exp(i * static_cast<double>(log_gamma[12].item<float>()));
  CHECK(sums[2][12].item<double>() == Approx(by_hand).epsilon(1e-10));
}

TEST_CASE("retention names what is wrong", "[retention]") {
  const Sequence s(1, 4, 2, 8, 12, 51, at::kFloat);
  const auto message = [&](const RetentionOptions& options, const Tensor& gamma) {
    return message_of<InvalidArgument>([&] { causal_retention(s.q, s.k, s.v, gamma, options); });
  };
  CHECK_THAT(message({}, log_gamma_retnet(3)), Contains("log_gamma is [3]") && Contains("N=2"));
  CHECK_THAT(message({.form = Form::auto_}, s.log_gamma), Contains("auto"));
  CHECK_THAT(message({.form = Form::chunkwise, .chunk = 0}, s.log_gamma), Contains("chunk is 0"));
  CHECK_THAT(message({.state = torch::zeros({1, 2, 8, 11})}, s.log_gamma), Contains("[1, 2, 8, 11]"));
  CHECK_THAT(message({.ranges = torch::tensor({0, 5}, at::kLong).view({1, 2})}, s.log_gamma), Contains("[0, 5)"));
  CHECK_THROWS_AS(causal_retention(s.q, s.k, s.v.slice(1, 1), s.log_gamma, {}), InvalidArgument);
}

}  // namespace
}  // namespace retentive::testing
