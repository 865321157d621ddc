#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <retention/kernels/decay.h>
#include <retention/kernels/masa_backward.h>
#include <retention/kernels/masa_backward_reference.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using retention::MasaProblem;

namespace {

constexpr bool kForms[] = {false, true};  // decomposed

template <class T>
std::vector<T> normal(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<T> distribution;
  std::vector<T> values(count);
  for (T& value : values) value = distribution(random);
  return values;
}

int64_t elements(const MasaProblem& p) { return p.batch * p.height * p.width * p.heads * p.head_dim; }

std::string name_of(const MasaProblem& p, bool decomposed) {
  return std::string(decomposed ? "decomposed " : "full ") + std::to_string(p.batch) + "x" + std::to_string(p.height) +
         "x" + std::to_string(p.width) + "x" + std::to_string(p.heads) + "x" + std::to_string(p.head_dim) + " " +
         std::string(enum_name(p.decay_mode));
}

struct Gradients {
  explicit Gradients(size_t count) : dq(count), dk(count), dv(count) {}
  std::vector<double> dq, dk, dv;
};

// q, k, v and dout as columns of rows of [q | k | v | dout], so that no stride is the natural one.
struct Inputs {
  explicit Inputs(const MasaProblem& problem)
      : p(problem),
        channels(p.heads * p.head_dim),
        packed(normal<float>(4 * elements(p), 7)),
        log_gamma(p.heads),
        angle(p.head_dim) {
    retention::log_gamma_rmt(p.heads, 2, 4, log_gamma.data());
    retention::rotary_angles(p.head_dim, angle.data());
    for (int64_t token = 0; token < p.height * p.width; ++token) {
      for (int64_t c = 0; c < p.head_dim; c += 2) {
        const double phase = static_cast<float>(token) * angle[c];
        sin.push_back(static_cast<float>(std::sin(phase)));
        cos.push_back(static_cast<float>(std::cos(phase)));
      }
    }
  }

  std::vector<double> column(const std::vector<float>& rows, int64_t width, int64_t index) const {
    std::vector<double> values;
    for (int64_t token = 0; token < p.batch * p.height * p.width; ++token) {
      for (int64_t c = 0; c < channels; ++c) values.push_back(rows[(token * width + index) * channels + c]);
    }
    return values;
  }
  std::vector<double> input(int64_t index) const { return column(packed, 4, index); }

  Gradients expected(bool decomposed) const {
    Gradients g(elements(p));
    const auto run = decomposed ? retention::masa_decomposed_backward_reference : retention::masa_backward_reference;
    run(p, input(0).data(), input(1).data(), input(2).data(), log_gamma.data(), angle.data(), input(3).data(),
        g.dq.data(), g.dk.data(), g.dv.data());
    return g;
  }

  // Rows of [dq | dk | dv]; empty when no implementation runs here.
  std::vector<float> fast(bool decomposed, int threads) const {
    using namespace retention;
    const int64_t row = 4 * channels;
    // strides.q is that of q and of dq: the gradients use rows as long as the inputs.
    std::vector<float> out(packed.size(), NAN);
    const int64_t bytes =
        decomposed ? masa_decomposed_backward_workspace_bytes(p, threads) : masa_backward_workspace_bytes(p, threads);
    std::vector<float> workspace(bytes / 4 + 1, NAN);
    const float* in = packed.data();
    const auto run = decomposed ? masa_decomposed_backward : masa_backward;
    if (!run(p, {row, row, row, row}, in, in + channels, in + 2 * channels, log_gamma.data(), {sin.data(), cos.data()},
             in + 3 * channels, out.data(), out.data() + channels, out.data() + 2 * channels, workspace.data(),
             threads)) {
      return {};
    }
    return out;
  }

  MasaProblem p;
  int64_t channels;
  std::vector<float> packed, log_gamma, angle, sin, cos;
};

double worst_of(const Inputs& in, const std::vector<float>& fast, const Gradients& expected) {
  return std::max({deviation(in.column(fast, 4, 0), expected.dq), deviation(in.column(fast, 4, 1), expected.dk),
                   deviation(in.column(fast, 4, 2), expected.dv)});
}

}  // namespace

TEST_CASE("gradients of MaSA equal the reference on odd shapes", "[masa_backward]") {
  WorstDeviation worst("masa_backward fp32");
  const std::vector<std::pair<int64_t, int64_t>> grids = {{1, 1}, {1, 9}, {9, 1}, {7, 5}, {14, 14}, {3, 70}};
  for (const bool decomposed : kForms) {
    for (const auto mode : {DecayMode::release, DecayMode::paper}) {
      for (const auto& [height, width] : grids) {
        for (const int64_t head_dim : {2, 16, 20, 32, 50}) {
          for (const int64_t heads : {1, 3}) {
            const MasaProblem p{heads == 1 ? 2 : 1, height, width, heads, head_dim, std::pow(head_dim, -0.5), mode};
            const Inputs in(p);
            const auto fast = in.fast(decomposed, 2);
            if (fast.empty()) return;
            // Each gradient is a chain of 5 sums of up to T or D products, of which rounding errors of 2^-24 add up as
            // random signs do: sqrt(210) * 5 * 6e-8 = 4e-6 of the largest partial sum.
            const double found = worst_of(in, fast, in.expected(decomposed));
            INFO(name_of(p, decomposed));
            CHECK(worst.add(name_of(p, decomposed), found) < 1e-5);
          }
        }
      }
    }
  }
}

TEST_CASE("gradients of MaSA on larger grids", "[masa_backward]") {
  WorstDeviation worst("masa_backward fp32, larger grids");
  const std::vector<std::pair<int64_t, int64_t>> grids = {{25, 42}, {28, 28}};
  for (const bool decomposed : kForms) {
    for (const auto& [height, width] : grids) {
      const MasaProblem p{1, height, width, 1, 16, 0.25, DecayMode::release};
      const Inputs in(p);
      const auto fast = in.fast(decomposed, 2);
      if (fast.empty()) return;
      INFO(name_of(p, decomposed));
      CHECK(worst.add(name_of(p, decomposed), worst_of(in, fast, in.expected(decomposed))) < 1e-5);
    }
  }
}

TEST_CASE("gradients of MaSA do not depend on the thread count", "[masa_backward]") {
  for (const bool decomposed : kForms) {
    for (const auto& p : {MasaProblem{1, 14, 14, 3, 32, 0.2, DecayMode::release},
                          MasaProblem{2, 7, 11, 4, 16, 0.25, DecayMode::paper}}) {
      const Inputs in(p);
      const auto one = in.fast(decomposed, 1);
      if (one.empty()) return;
      for (const int threads : {2, 3}) {
        INFO(name_of(p, decomposed) << ", " << threads << " threads");
        for (const int64_t gradient : {0, 1, 2}) {
          CHECK(in.column(in.fast(decomposed, threads), 4, gradient) == in.column(one, 4, gradient));
        }
      }
    }
  }
}

TEST_CASE("large scores neither overflow nor lose their gradients", "[masa_backward]") {
  for (const bool decomposed : kForms) {
    const MasaProblem p{1, 6, 7, 1, 16, 8.0, DecayMode::release};
    const Inputs in(p);
    const auto fast = in.fast(decomposed, 1);
    if (fast.empty()) return;
    // Scores reach 100, of which float holds 6e-6; gradients of q reach 50.
    CHECK(worst_of(in, fast, in.expected(decomposed)) < 5e-5);
  }
}

TEST_CASE("reference gradients of MaSA equal finite differences", "[masa_backward]") {
  for (const bool decomposed : kForms) {
    for (const auto mode : {DecayMode::release, DecayMode::paper}) {
      const MasaProblem p{2, 3, 4, 2, 6, 0.4, mode};
      const Inputs in(p);
      std::vector<double> values[] = {in.input(0), in.input(1), in.input(2)};
      const auto dout = in.input(3);
      const auto loss = [&] {
        std::vector<double> out(elements(p));
        const auto run = decomposed ? retention::masa_decomposed_reference<double> : retention::masa_reference<double>;
        run(p, values[0].data(), values[1].data(), values[2].data(), in.log_gamma.data(), in.angle.data(), out.data());
        double sum = 0;
        for (size_t i = 0; i < out.size(); ++i) sum += out[i] * dout[i];
        return sum;
      };
      const Gradients expected = in.expected(decomposed);
      const std::vector<double>* gradients[] = {&expected.dq, &expected.dk, &expected.dv};
      for (int tensor = 0; tensor < 3; ++tensor) {
        for (size_t i = 0; i < dout.size(); i += 5) {
          double& value = values[tensor][i];
          const double kept = value, step = 1e-5;
          value = kept + step;
          const double above = loss();
          value = kept - step;
          const double slope = (above - loss()) / (2 * step);
          value = kept;
          // The third derivative times step^2, and 1e-15 of the loss over the step.
          CHECK(std::abs(slope - (*gradients[tensor])[i]) < 1e-8);
        }
      }
    }
  }
}

TEST_CASE("workspace of the gradients of MaSA grows with the tokens, not with their square", "[masa_backward]") {
  const auto bytes = [](int64_t side) {
    return retention::masa_backward_workspace_bytes({.height = side, .width = side, .heads = 8, .head_dim = 32}, 2);
  };
  CHECK(bytes(128) < 4.2 * bytes(64));
  CHECK(bytes(64) < 2 * 2 * 4096 * 32 * 4 * 20);
}
