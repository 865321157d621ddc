#include <cstring>

#include <kernels/random_values.h>
#include <retention/kernels/activation.h>
#include <retention/kernels/depthwise_backward.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using retention::DepthwiseProblem;

namespace {

int64_t outputs(const DepthwiseProblem& p) { return p.batch * p.height * p.width * p.channels; }

int64_t inputs(const DepthwiseProblem& p) {
  const int64_t stride = p.x_token_stride == 0 ? p.channels : p.x_token_stride;
  return (p.batch * p.height * p.width - 1) * stride + p.channels;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

std::vector<DepthwiseProblem> problems() {
  std::vector<DepthwiseProblem> all;
  const int64_t grids[][3] = {{1, 1, 1}, {2, 7, 5}, {2, 14, 14}, {1, 25, 42}, {1, 1, 9}, {1, 9, 1}, {1, 3, 131}};
  int turn = 0;
  for (const auto& [b, h, w] : grids) {
    for (const int64_t c : {1, 16, 20, 80}) {
      for (const int64_t kernel : {3, 5}) {
        ++turn;
        all.push_back({b, h, w, c, kernel, turn % 3 == 0 ? 3 * c : 0, turn % 4 == 0});
      }
    }
  }
  return all;
}

}  // namespace

TEST_CASE("gradients of depthwise weights equal the reference", "[depthwise_backward]") {
  WorstDeviation worst("depthwise backward weight fp32"), worst_bias("depthwise backward bias fp32");
  for (const auto& p : problems()) {
    const std::string name = std::to_string(p.height) + "x" + std::to_string(p.width) + "x" +
                             std::to_string(p.channels) + " k" + std::to_string(p.kernel);
    INFO(name);
    const auto x = normal(inputs(p), 1), dy = normal(outputs(p), 2);
    const int64_t count = p.kernel * p.kernel * p.channels;
    std::vector<float> weight(count), bias(p.channels), got(count, NAN), got_bias(p.channels, NAN);
    retention::depthwise_backward_weight_reference(p, x.data(), dy.data(), weight.data(), bias.data());
    if (!retention::depthwise_backward_weight(p, x.data(), dy.data(), got.data(), got_bias.data(), 2)) return;
    CHECK(worst.add(name, deviation(got, weight)) < 1e-5);
    CHECK(worst_bias.add(name, deviation(got_bias, bias)) < 1e-5);
    for (const int threads : {1, 3}) {
      std::vector<float> again(count, NAN), again_bias(p.channels, NAN);
      retention::depthwise_backward_weight(p, x.data(), dy.data(), again.data(), again_bias.data(), threads);
      CHECK(again == got);
      CHECK(again_bias == got_bias);
      retention::depthwise_backward_weight(p, x.data(), dy.data(), again.data(), nullptr, threads);
      CHECK(again == got);
    }
  }
}

TEST_CASE("gradients of depthwise weights are finite differences", "[depthwise_backward]") {
  const DepthwiseProblem p{.batch = 2, .height = 5, .width = 4, .channels = 3, .kernel = 5, .gelu_input = true};
  const auto x = normal(inputs(p), 1), dy = normal(outputs(p), 2), weight = normal(75, 3), bias = normal(3, 4);
  std::vector<float> dweight(75), dbias(3), out(outputs(p));
  retention::depthwise_backward_weight_reference(p, x.data(), dy.data(), dweight.data(), dbias.data());
  // The loss <out, dy> is linear in both, so a step of any size will do.
  const auto loss = [&](const std::vector<float>& w, const std::vector<float>& b) {
    retention::depthwise_reference(p, x.data(), w.data(), b.data(), nullptr, out.data());
    return dot(out, dy);
  };
  const double base = loss(weight, bias);
  for (int c = 0; c < 3; ++c) {
    for (int tap = 0; tap < 25; ++tap) {
      auto moved = weight;
      moved[c * 25 + tap] += 1;
      CHECK(loss(moved, bias) - base == Approx(dweight[tap * 3 + c]).margin(1e-4));
    }
    auto moved = bias;
    moved[c] += 1;
    CHECK(loss(weight, moved) - base == Approx(dbias[c]).margin(1e-4));
  }
}

TEST_CASE("the input's gradient is the flipped convolution, then GELU's slope", "[depthwise_backward]") {
  const DepthwiseProblem p{.height = 6, .width = 7, .channels = 4, .gelu_input = true};
  const auto x = normal(outputs(p), 1), dy = normal(outputs(p), 2), weight = normal(36, 3);
  std::vector<float> packed(36), dx(x.size(), NAN), out(x.size());
  retention::depthwise_pack(3, 4, weight.data(), {.flip = true}, packed.data());
  if (!retention::depthwise({.height = 6, .width = 7, .channels = 4}, dy.data(), packed.data(), nullptr, nullptr,
                            dx.data(), 2)) {
    return;
  }
  retention::gelu_backward(outputs(p), x.data(), dx.data(), dx.data(), 2);
  for (size_t i = 0; i < x.size(); i += 5) {
    double losses[2];
    for (const int side : {0, 1}) {
      auto moved = x;
      moved[i] += side == 0 ? -0.0078125f : 0.0078125f;
      retention::depthwise_reference(p, moved.data(), weight.data(), nullptr, nullptr, out.data());
      losses[side] = dot(out, dy);
    }
    CHECK((losses[1] - losses[0]) / 0.015625 == Approx(dx[i]).margin(2e-3));
  }
}
