#include <cmath>
#include <random>
#include <vector>

#include <retention/kernels/decay.h>
#include <retention/kernels/masa_reference.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using retention::MasaProblem;

namespace {

struct Inputs {
  explicit Inputs(const MasaProblem& p) : log_gamma(p.heads), angle(p.head_dim) {
    std::mt19937_64 random(7);
    std::normal_distribution<double> normal;
    for (auto* x : {&q, &k, &v}) {
      x->resize(p.batch * p.height * p.width * p.heads * p.head_dim);
      for (double& value : *x) value = normal(random);
    }
    retention::log_gamma_rmt(p.heads, 2, 4, log_gamma.data());
    retention::rotary_angles(p.head_dim, angle.data());
  }

  std::vector<double> q, k, v;
  std::vector<float> log_gamma, angle;
};

std::vector<double> full(const MasaProblem& p, const Inputs& in) {
  std::vector<double> out(in.q.size());
  retention::masa_reference(p, in.q.data(), in.k.data(), in.v.data(), in.log_gamma.data(), in.angle.data(), out.data());
  return out;
}

std::vector<double> decomposed(const MasaProblem& p, const Inputs& in) {
  std::vector<double> out(in.q.size());
  retention::masa_decomposed_reference(p, in.q.data(), in.k.data(), in.v.data(), in.log_gamma.data(), in.angle.data(),
                                       out.data());
  return out;
}

}  // namespace

TEST_CASE("two tokens worked by hand", "[masa]") {
  const float log_gamma = std::log(0.5f);
  const float angle[2] = {0, 0};
  const double q[4] = {1, 0, 0, 2}, k[4] = {3, 1, 1, -1}, v[4] = {1, 10, 2, 20};
  double out[4];
  MasaProblem p{.width = 2, .k_scale = 0.5};
  retention::masa_reference(p, q, k, v, &log_gamma, angle, out);
  // Token 0: scores 1.5 and 0.5, the second halved by the decay.
  const double a = std::exp(1.5), b = 0.5 * std::exp(0.5);
  CHECK(out[0] == Approx((a * 1 + b * 2) / (a + b)));
  CHECK(out[1] == Approx((a * 10 + b * 20) / (a + b)));
  p.decay_mode = DecayMode::paper;
  retention::masa_reference(p, q, k, v, &log_gamma, angle, out);
  const double c = std::exp(0.5), sum = std::exp(1.5) + c;
  CHECK(out[0] == Approx((std::exp(1.5) * 1 + 0.5 * c * 2) / sum));
}

TEST_CASE("rotary makes scores depend on the distance of flat positions only", "[masa]") {
  const float log_gamma = 0.0f;
  const float angle[2] = {0.3f, 0.3f};
  const double q[4] = {1, 0.5, 1, 0.5}, k[4] = {0.2, -1, 0.2, -1}, v[4] = {1, 0, 0, 1};
  double out[4];
  retention::masa_reference(MasaProblem{.height = 2}, q, k, v, &log_gamma, angle, out);
  const auto score = [&](double phase) {
    const double c = std::cos(phase), s = std::sin(phase);
    return (1 * c - 0.5 * s) * 0.2 + (0.5 * c + 1 * s) * -1;
  };
  const double same = std::exp(score(0)), next = std::exp(score(-0.3f)), previous = std::exp(score(0.3f));
  CHECK(out[0] == Approx(same / (same + next)));
  CHECK(out[3] == Approx(same / (same + previous)));
}

TEST_CASE("laws of the reference", "[masa]") {
  for (const auto mode : {DecayMode::release, DecayMode::paper}) {
    SECTION(std::string("one row or column makes decomposed MaSA the full one: ") + std::string(enum_name(mode))) {
      for (const auto& [height, width] : std::vector<std::pair<int64_t, int64_t>>{{1, 9}, {6, 1}, {1, 1}}) {
        const MasaProblem p{2, height, width, 3, 16, 0.25, mode};
        const Inputs in(p);
        CHECK(deviation(decomposed(p, in), full(p, in)) < 1e-12);
      }
    }
  }
  SECTION("weights sum to one before the paper's decay: constant values come back") {
    const MasaProblem p{1, 5, 7, 2, 4, 0.5, DecayMode::release};
    Inputs in(p);
    std::fill(in.v.begin(), in.v.end(), 3.0);
    CHECK(deviation(full(p, in), in.v) < 1e-12);
    CHECK(deviation(decomposed(p, in), in.v) < 1e-12);
  }
  SECTION("float agrees with double") {
    const MasaProblem p{1, 7, 5, 3, 20, 0.22, DecayMode::release};
    const Inputs in(p);
    const std::vector<float> q(in.q.begin(), in.q.end()), k(in.k.begin(), in.k.end()), v(in.v.begin(), in.v.end());
    std::vector<float> out(q.size());
    retention::masa_reference(p, q.data(), k.data(), v.data(), in.log_gamma.data(), in.angle.data(), out.data());
    CHECK(deviation(out, full(p, in)) < 1e-6);
  }
}
