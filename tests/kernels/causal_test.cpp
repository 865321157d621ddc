#include <kernels/causal_case.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::retention;

namespace {

constexpr Reference kParallel = retention_parallel_reference<double>;
constexpr Reference kRecurrent = retention_recurrent_reference<double>;
constexpr Reference kChunkwise = retention_chunkwise_reference<double>;

// Left and right padding, a packed batch, an empty sequence and one of a single token.
const std::vector<TokenRange> kRagged = {{5, 70}, {70, 70}, {80, 81}, {90, 287}};

std::vector<CausalCase> cases() {
  return {{1, 1, 1, {{0, 7}}},       {3, 16, 16, {{0, 1}}},   {3, 16, 20, kRagged},    {1, 20, 16, {{0, 63}}},
          {3, 32, 64, {{0, 65}}},    {3, 64, 64, {{0, 197}}}, {2, 64, 64, {{3, 262}}}, {3, 7, 50, {{0, 130}}},
          {2, 256, 432, {{0, 150}}}, {1, 64, 600, {{0, 40}}}, {1, 33, 17, {{2, 2}}},   {2, 18, 34, {{0, 129}}}};
}

std::vector<float> magnitudes(std::vector<float> values) {
  for (float& value : values) value = std::abs(value);
  return values;
}

bool runs_here() { return causal_implementation() != nullptr; }

// One head's output row by the sum that defines it, from the inputs alone.
double defined(const CausalCase& c, const std::vector<float>& in, const TokenRange& range, int64_t token, int64_t head,
               int64_t channel) {
  double sum = 0;
  for (int64_t m = range.begin; m <= token; ++m) {
    double score = 0;
    for (int64_t d = 0; d < c.key_dim; ++d) {
      score += static_cast<double>(in[token * c.stride() + head * c.key_dim + d]) *
               in[m * c.stride() + (c.heads + head) * c.key_dim + d];
    }
    const double decay = std::pow(std::exp(static_cast<double>(c.log_gamma[head])), static_cast<double>(token - m));
    const int64_t value = 2 * c.heads * c.key_dim + head * c.value_dim + channel;
    sum += decay * score / std::sqrt(static_cast<double>(c.key_dim)) * in[m * c.stride() + value];
  }
  return sum;
}

}  // namespace

TEST_CASE("retention by hand", "[causal]") {
  // gamma = 1/2, one head, dims 1: S_0 = 2*3 = 6, S_1 = 3 - 4 = -1, S_2 = -1/2 + 10 = 9.5.
  const float log_gamma = std::log(0.5f);
  const TokenRange range = {0, 3};
  const std::vector<double> q = {1, 2, 3}, k = {2, -1, 5}, v = {3, 4, 2};
  for (const Reference form : {kParallel, kRecurrent, kChunkwise}) {
    for (const int64_t chunk : {0, 1, 2}) {
      const CausalProblem p = {.sequences = &range, .sequence_count = 1, .log_gamma = &log_gamma, .chunk = chunk};
      std::vector<double> out(3), last(1);
      const double initial = 8;
      form(p, {{q.data(), 1}, {k.data(), 1}, {v.data(), 1}, {out.data(), 1}}, {nullptr, last.data()});
      CHECK(out[0] == Approx(6));
      CHECK(out[1] == Approx(-2));
      CHECK(out[2] == Approx(28.5));
      CHECK(last[0] == Approx(9.5));
      // An initial state of 8 adds q_n 8 / 2^(n+1).
      form(p, {{q.data(), 1}, {k.data(), 1}, {v.data(), 1}, {out.data(), 1}}, {&initial, last.data()});
      CHECK(out[0] == Approx(10));
      CHECK(out[1] == Approx(2));
      CHECK(out[2] == Approx(31.5));
      CHECK(last[0] == Approx(10.5));
    }
  }
}

TEST_CASE("the references agree with each other and with the defining sum", "[causal]") {
  WorstDeviation worst("causal references, double");
  for (CausalCase c : cases()) {
    const auto in = c.inputs(1), initial = c.states(2);
    const auto plain = run_reference(kParallel, c, in, {});
    size_t at = 0;
    double error = 0;
    for (const auto& range : c.ranges) {
      for (int64_t t = range.begin; t < range.end; ++t) {
        for (int64_t i = 0; i < c.heads * c.value_dim; ++i, ++at) {
          if (at % 37 != 0) continue;
          const double expected = defined(c, in, range, t, i / c.value_dim, i % c.value_dim);
          error = std::max(error, std::abs(expected - plain.out[at]) / std::max(1.0, std::abs(expected)));
        }
      }
    }
    CHECK(at == plain.out.size());
    CHECK(worst.add(c.name(), error) < 1e-10);
    const auto expected = run_reference(kParallel, c, in, initial);
    const auto check = [&](const CausalResult<double>& actual) {
      CHECK(worst.add(c.name(), deviation(actual.out, expected.out)) < 1e-10);
      CHECK(worst.add(c.name(), deviation(actual.last, expected.last)) < 1e-10);
    };
    check(run_reference(kRecurrent, c, in, initial));
    for (const int64_t chunk : {int64_t{1}, int64_t{3}, int64_t{64}, c.tokens}) {
      c.chunk = chunk;
      check(run_reference(kChunkwise, c, in, initial));
    }
  }
}

TEST_CASE("fast retention equals the reference", "[causal]") {
  if (!runs_here()) return;
  for (const auto& form : fast_forms<float, float>()) {
    WorstDeviation worst(std::string("causal fp32 ") + form.name);
    for (CausalCase c : cases()) {
      const auto in = c.inputs(3);
      for (const auto& initial : {std::vector<float>(), c.states(4)}) {
        const auto expected = run_reference(kRecurrent, c, in, initial);
        for (const int64_t chunk : {int64_t{0}, int64_t{1}, int64_t{3}, int64_t{64}, int64_t{100}, c.tokens}) {
          if (chunk > 0 && form.run != retention_chunkwise<float, float>) continue;
          c.chunk = chunk;
          std::vector<float> last;
          const auto actual = run_fast(form, c, in, initial, 2, &last);
          CHECK(worst.add(c.name(), deviation(actual.out, expected.out)) < 1e-5);
          CHECK(worst.add(c.name() + ", state", deviation(last, expected.last)) < 1e-5);
        }
      }
    }
  }
}

TEST_CASE("results depend neither on threads nor on what else is in the batch", "[causal]") {
  if (!runs_here()) return;
  for (const auto& form : fast_forms<float, float>()) {
    for (CausalCase c : {CausalCase(3, 16, 80, kRagged), CausalCase(1, 64, 200, {{0, 300}}),
                         CausalCase(2, 32, 16, {{0, 140}, {140, 150}, {160, 460}})}) {
      const auto in = c.inputs(5);
      const auto initial = c.states(6);
      std::vector<float> last, others;
      const auto expected = run_fast(form, c, in, initial, 1, &last);
      REQUIRE(expected.out.size() > 0);
      for (const int threads : {2, 3}) {
        CHECK(run_fast(form, c, in, initial, threads, &others).out == expected.out);
        CHECK(others == last);
      }
      const int64_t state = c.state_size() / static_cast<int64_t>(c.ranges.size());
      size_t at = 0;
      for (size_t s = 0; s < c.ranges.size(); ++s) {
        CausalCase alone = c;
        alone.ranges = {c.ranges[s]};
        const std::vector<float> own(initial.begin() + s * state, initial.begin() + (s + 1) * state);
        const auto actual = run_fast(form, alone, in, own, 1, &others);
        REQUIRE(at + actual.out.size() <= expected.out.size());
        CHECK(std::equal(actual.out.begin(), actual.out.end(), expected.out.begin() + at));
        CHECK(std::equal(others.begin(), others.end(), last.begin() + s * state));
        at += actual.out.size();
      }
      CHECK(at == expected.out.size());
    }
  }
}

TEST_CASE("a state carried across any cut continues the sequence", "[causal]") {
  if (!runs_here()) return;
  WorstDeviation worst("causal carried state");
  const CausalCase whole(3, 20, 36, {{0, 150}});
  const auto in = whole.inputs(7);
  const auto expected = run_reference(kRecurrent, whole, in, {});
  const auto forms = fast_forms<float, float>();
  for (const int64_t cut : {1, 15, 16, 63, 64, 65, 128, 149}) {
    for (const auto& before : forms) {
      for (const auto& after : forms) {
        CausalCase first = whole, second = whole;
        first.ranges = {{0, cut}};
        second.ranges = {{cut, 150}};
        std::vector<float> state, last;
        auto out = run_fast(before, first, in, {}, 2, &state).out;
        const auto rest = run_fast(after, second, in, state, 2, &last).out;
        out.insert(out.end(), rest.begin(), rest.end());
        const auto where = std::string(before.name) + ", " + after.name + " at " + std::to_string(cut);
        CHECK(worst.add(where, deviation(out, expected.out)) < 1e-5);
        CHECK(worst.add(where, deviation(last, expected.last)) < 1e-5);
      }
    }
  }
}

TEST_CASE("a later token never changes an earlier output", "[causal]") {
  if (!runs_here()) return;
  const CausalCase c(3, 32, 20, {{0, 150}});
  for (const auto& form : fast_forms<float, float>()) {
    const auto in = c.inputs(8);
    const auto expected = run_fast(form, c, in, {}, 2).out;
    for (const int64_t token : {1, 17, 64, 127, 149}) {
      auto changed = in;
      for (int64_t i = token * c.stride(); i < 150 * c.stride(); ++i) changed[i] = 3 - 2 * changed[i];
      const auto actual = run_fast(form, c, changed, {}, 2).out;
      REQUIRE(actual.size() == expected.size());
      const auto end = expected.begin() + token * c.heads * c.value_dim;
      CHECK(std::equal(expected.begin(), end, actual.begin()));
      CHECK_FALSE(std::equal(expected.begin(), expected.end(), actual.begin()));
    }
  }
}

TEST_CASE("the state may be updated where it is", "[causal]") {
  if (!runs_here()) return;
  const CausalCase c(2, 16, 40, {{0, 100}, {100, 170}});
  const auto in = c.inputs(9);
  for (const auto& form : fast_forms<float, float>()) {
    std::vector<float> last, state = c.states(10);
    const auto expected = run_fast(form, c, in, state, 2, &last).out;
    std::vector<float> out(c.tokens * c.out_stride(), NAN);
    NanWorkspace workspace(form.workspace_bytes(c.problem(), 2));
    form.run(c.problem(), c.tensors(in, out), {state.data(), state.data()}, workspace.data(), 2);
    CHECK(c.used(out, c.out_stride(), c.heads * c.value_dim) == expected);
    CHECK(state == last);
  }
}

TEST_CASE("bfloat16 retention stays within its bound", "[causal]") {
  if (!runs_here()) return;
  // A term q k v of an output has at most two operands rounded to bfloat16 on its way: its key and the state's value,
  // or its score. Each rounding errs by at most 2^-8 of the value, one more rounds the output, so |error| <= 2^-8 (2
  // sum of |terms| + |out|); the sum is retention of the absolute values. In the state only the key is rounded.
  // Roundings are independent, so the largest error stays below two of the largest value.
  constexpr double kUnit = 1.0 / 256;
  const auto run = [&](auto forms, const char* title) {
    for (const auto& form : forms) {
      WorstDeviation worst(std::string(title) + form.name);
      for (const CausalCase& c : cases()) {
        const auto in = c.inputs(11), initial = c.states(12);
        const auto expected = run_reference(kRecurrent, c, in, initial);
        const auto most = run_reference(kRecurrent, c, magnitudes(in), magnitudes(initial));
        std::vector<float> last;
        const auto actual = run_fast(form, c, converted<bfloat16>(in), initial, 2, &last);
        const std::vector<float> out(actual.out.begin(), actual.out.end());
        CHECK(worst.add(c.name(), deviation(out, expected.out)) < 2 * kUnit);
        CHECK(worst.add(c.name(), deviation(last, expected.last)) < 2 * kUnit);
        double excess = -1;
        for (size_t i = 0; i < out.size(); ++i) {
          const double allowed = kUnit * (2.01 * most.out[i] + std::abs(expected.out[i])) + 1e-5;
          excess = std::max(excess, std::abs(out[i] - expected.out[i]) - allowed);
        }
        for (size_t i = 0; i < last.size(); ++i) {
          excess = std::max(excess, std::abs(last[i] - expected.last[i]) - 1.01 * kUnit * most.last[i] - 1e-5);
        }
        CHECK(excess <= 0);
      }
    }
  };
  run(fast_forms<bfloat16, float>(), "causal bf16 to fp32 ");
  run(fast_forms<bfloat16, bfloat16>(), "causal bf16 ");
}
