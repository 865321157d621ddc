#include <kernels/causal_case.h>
#include <retention/kernels/causal_backward.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::retention;

namespace {

/// The gradients of a case: of q, k and v in one buffer laid out as the inputs, and of the initial state.
template <class T>
struct Gradients {
  std::vector<T> inputs;
  std::vector<T> initial;
};

template <class T>
CausalGradients<T> gradients_of(const CausalCase& c, const std::vector<T>& in, const std::vector<T>& dout,
                                const std::vector<T>& initial, const std::vector<T>& dlast, Gradients<T>& to) {
  to.inputs.assign(in.size(), T(NAN));
  to.initial.assign(c.state_size(), T(NAN));
  const int64_t k = c.heads * c.key_dim, v = 2 * k;
  return {.q = {in.data(), c.stride()},
          .k = {in.data() + k, c.stride()},
          .v = {in.data() + v, c.stride()},
          .dout = {dout.data(), c.out_stride()},
          .dq = {to.inputs.data(), c.stride()},
          .dk = {to.inputs.data() + k, c.stride()},
          .dv = {to.inputs.data() + v, c.stride()},
          .initial = initial.empty() ? nullptr : initial.data(),
          .dlast = dlast.empty() ? nullptr : dlast.data(),
          .dinitial = to.initial.data()};
}

Gradients<double> run_reference(const CausalCase& c, const std::vector<float>& in, const std::vector<float>& dout,
                                const std::vector<float>& initial, const std::vector<float>& dlast) {
  Gradients<double> result;
  const auto wide_in = converted<double>(in), wide_dout = converted<double>(dout);
  const auto wide_initial = converted<double>(initial), wide_dlast = converted<double>(dlast);
  retention_backward_reference(c.problem(), gradients_of(c, wide_in, wide_dout, wide_initial, wide_dlast, result));
  result.inputs = c.used(result.inputs, c.stride(), c.stride() - 3);
  return result;
}

// Empty when something outside of the sequences was written.
Gradients<float> run_fast(const CausalCase& c, const std::vector<float>& in, const std::vector<float>& dout,
                          const std::vector<float>& initial, const std::vector<float>& dlast, int threads) {
  Gradients<float> result;
  NanWorkspace workspace(retention_backward_workspace_bytes(c.problem(), threads));
  const auto gradients = gradients_of(c, in, dout, initial, dlast, result);
  if (!retention_backward(c.problem(), gradients, workspace.data(), threads)) return {};
  const auto all = result.inputs;
  result.inputs = c.used(all, c.stride(), c.stride() - 3);
  const auto untouched = std::count_if(all.begin(), all.end(), [](float x) { return std::isnan(x); });
  if (untouched != static_cast<int64_t>(all.size() - result.inputs.size())) result.inputs.clear();
  return result;
}

const std::vector<TokenRange> kRagged = {{5, 70}, {70, 70}, {80, 81}, {90, 187}};

}  // namespace

TEST_CASE("the backward reference equals central differences", "[causal_backward]") {
  const CausalCase c(2, 4, 3, {{0, 9}, {10, 12}});
  auto in = converted<double>(c.inputs(1));
  auto initial = converted<double>(c.states(2));
  const auto dlast = converted<double>(c.states(3));
  const auto dout = converted<double>(normal(c.tokens * c.out_stride(), 4));
  Gradients<double> gradients;
  retention_backward_reference(c.problem(), gradients_of(c, in, dout, initial, dlast, gradients));

  // The scalar whose gradient is taken: dout . out + dlast . last.
  const auto value = [&] {
    std::vector<double> out(dout.size(), NAN), last(c.state_size());
    retention_parallel_reference(c.problem(), c.tensors(in, out), {initial.data(), last.data()});
    double sum = 0;
    for (size_t i = 0; i < out.size(); ++i) sum += std::isnan(out[i]) ? 0 : out[i] * dout[i];
    for (size_t i = 0; i < last.size(); ++i) sum += last[i] * dlast[i];
    return sum;
  };
  const auto difference = [&](double& x) {
    const double at = x, step = 1e-4;
    x = at + step;
    const double above = value();
    x = at - step;
    const double below = value();
    x = at;
    return (above - below) / (2 * step);
  };
  double worst = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    REQUIRE(std::isnan(in[i]) == std::isnan(gradients.inputs[i]));
    if (!std::isnan(in[i])) worst = std::max(worst, std::abs(difference(in[i]) - gradients.inputs[i]));
  }
  for (size_t i = 0; i < initial.size(); ++i) {
    worst = std::max(worst, std::abs(difference(initial[i]) - gradients.initial[i]));
  }
  CHECK(worst < 1e-8);
}

TEST_CASE("fast retention gradients equal the reference", "[causal_backward]") {
  WorstDeviation worst("causal backward");
  for (CausalCase c : {CausalCase(1, 1, 1, {{0, 7}}), CausalCase(3, 16, 20, kRagged), CausalCase(1, 20, 16, {{0, 63}}),
                       CausalCase(3, 64, 64, {{0, 197}}), CausalCase(2, 256, 432, {{0, 150}}),
                       CausalCase(3, 7, 50, {{0, 130}}), CausalCase(1, 33, 17, {{2, 2}})}) {
    const auto in = c.inputs(5), dout = normal(c.tokens * c.out_stride(), 6);
    for (const auto& [initial, dlast] :
         {std::pair{std::vector<float>(), std::vector<float>()}, {c.states(7), c.states(8)}}) {
      const auto expected = run_reference(c, in, dout, initial, dlast);
      for (const int64_t chunk : {0, 1, 3, 64, 100, 1000}) {
        c.chunk = chunk;
        const auto actual = run_fast(c, in, dout, initial, dlast, 2);
        if (causal_implementation() == nullptr) return;
        CHECK(worst.add(c.name(), deviation(actual.inputs, expected.inputs)) < 1e-5);
        CHECK(worst.add(c.name(), deviation(actual.initial, expected.initial)) < 1e-5);
      }
    }
  }
}

TEST_CASE("retention gradients depend neither on threads nor on the batch", "[causal_backward]") {
  if (causal_implementation() == nullptr) return;
  for (const CausalCase& c : {CausalCase(3, 16, 80, kRagged), CausalCase(1, 64, 200, {{0, 300}})}) {
    const auto in = c.inputs(9), dout = normal(c.tokens * c.out_stride(), 10);
    const auto initial = c.states(11), dlast = c.states(12);
    const auto expected = run_fast(c, in, dout, initial, dlast, 1);
    REQUIRE(expected.inputs.size() > 0);
    for (const int threads : {2, 3}) {
      const auto actual = run_fast(c, in, dout, initial, dlast, threads);
      CHECK(actual.inputs == expected.inputs);
      CHECK(actual.initial == expected.initial);
    }
    const auto size = c.state_size() / static_cast<int64_t>(c.ranges.size());
    size_t at = 0;
    for (size_t s = 0; s < c.ranges.size(); ++s) {
      CausalCase alone = c;
      alone.ranges = {c.ranges[s]};
      const auto own = [&](const std::vector<float>& states) {
        return std::vector<float>(states.begin() + s * size, states.begin() + (s + 1) * size);
      };
      const auto actual = run_fast(alone, in, dout, own(initial), own(dlast), 2);
      REQUIRE(at + actual.inputs.size() <= expected.inputs.size());
      CHECK(std::equal(actual.inputs.begin(), actual.inputs.end(), expected.inputs.begin() + at));
      CHECK(actual.initial == own(expected.initial));
      at += actual.inputs.size();
    }
    CHECK(at == expected.inputs.size());
  }
}
