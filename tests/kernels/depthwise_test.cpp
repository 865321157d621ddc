#include <cstring>

#include <kernels/random_values.h>
#include <retention/kernels/depthwise.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using retention::DepthwiseProblem;

namespace {

struct Case {
  DepthwiseProblem p;
  bool bias, addend;

  int64_t tokens() const { return p.batch * p.height * p.width; }
  std::string name() const {
    return std::to_string(p.batch) + "x" + std::to_string(p.height) + "x" + std::to_string(p.width) + "x" +
           std::to_string(p.channels) + " k" + std::to_string(p.kernel) + (p.gelu_input ? " gelu" : "") +
           (addend ? " addend" : "");
  }
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const int64_t grids[][3] = {{1, 1, 1}, {2, 7, 5}, {1, 14, 14}, {1, 25, 42}, {1, 1, 9}, {1, 9, 1}, {1, 5, 131}};
  int turn = 0;
  for (const auto& [b, h, w] : grids) {
    for (const int64_t c : {1, 7, 16, 20, 32, 56, 80}) {
      for (const int64_t kernel : {3, 5}) {
        const bool bias = turn % 5 != 0, addend = turn % 2 == 1, gelu = turn % 3 == 0;
        const int64_t stride = turn % 4 < 2 ? 0 : 3 * c;
        ++turn;
        all.push_back({{b, h, w, c, kernel, stride, gelu}, bias, addend});
      }
    }
  }
  all.push_back({{1, 7, 7, 1536, 3, 0, true}, true, false});
  all.push_back({{1, 7, 7, 512, 5, 1536, false}, true, true});
  return all;
}

template <class T>
std::vector<T> run(const Case& test, const std::vector<T>& x, const std::vector<float>& packed,
                   const std::vector<float>& bias, const std::vector<T>& addend, bool in_place, int threads) {
  std::vector<T> out = in_place ? addend : std::vector<T>(test.tokens() * test.p.channels, T(NAN));
  const T* added = test.addend ? (in_place ? out.data() : addend.data()) : nullptr;
  REQUIRE(retention::depthwise(test.p, x.data(), packed.data(), test.bias ? bias.data() : nullptr, added, out.data(),
                               threads));
  return out;
}

template <class T>
void check_threads(const Case& test, const std::vector<T>& x, const std::vector<float>& packed,
                   const std::vector<float>& bias, const std::vector<T>& addend, const std::vector<T>& expected) {
  for (const int threads : {1, 3, 8}) {
    const auto again = run(test, x, packed, bias, addend, test.addend, threads);
    CHECK(std::memcmp(again.data(), expected.data(), again.size() * sizeof(T)) == 0);
  }
}

bool runs_here() {
  const float one[9] = {1};
  float out = 0;
  return retention::depthwise({}, one, one, nullptr, nullptr, &out, 1);
}

}  // namespace

TEST_CASE("fast depthwise convolution equals the reference on odd shapes", "[depthwise]") {
  if (!runs_here()) return;
  WorstDeviation worst("depthwise fp32"), worst_bf16("depthwise bf16");
  for (const Case& test : cases()) {
    INFO(test.name());
    const auto& p = test.p;
    const int64_t stride = p.x_token_stride == 0 ? p.channels : p.x_token_stride, taps = p.kernel * p.kernel;
    // A strided x ends with the last token's channels: reading beyond them is an error.
    const auto x = rounded(normal((test.tokens() - 1) * stride + p.channels, 1));
    const auto addend = rounded(normal(test.tokens() * p.channels, 2));
    const auto weight = normal(p.channels * taps, 3), bias = normal(p.channels, 4);
    std::vector<float> packed(weight.size()), expected(addend.size());
    retention::depthwise_pack(p.kernel, p.channels, weight.data(), {}, packed.data());
    retention::depthwise_reference(p, x.data(), weight.data(), test.bias ? bias.data() : nullptr,
                                   test.addend ? addend.data() : nullptr, expected.data());

    const auto actual = run(test, x, packed, bias, addend, false, 2);
    CHECK(worst.add(test.name(), deviation(actual, expected)) < 1e-5);
    check_threads(test, x, packed, bias, addend, actual);

    const auto half_x = converted<bfloat16>(x), half_addend = converted<bfloat16>(addend);
    const auto half = run(test, half_x, packed, bias, half_addend, false, 2);
    // One rounding to 8 significant bits, 2^-8 of the value, and GELU's 1e-4 times the sum of |weight| (about 20).
    CHECK(worst_bf16.add(test.name(), deviation(widened(half), expected)) < 0.0040 + (p.gelu_input ? 2e-3 : 0));
    check_threads(test, half_x, packed, bias, half_addend, half);
  }
}

TEST_CASE("fast depthwise convolution reads maps that no cache holds", "[depthwise]") {
  if (!runs_here()) return;
  // 14 MB: the loop that prefetches.
  const Case test{{.height = 129, .width = 430, .channels = 64, .gelu_input = true}, true, false};
  const int64_t values = test.tokens() * 64;
  const auto x = normal(values, 1), weight = normal(64 * 9, 3), bias = normal(64, 4);
  std::vector<float> packed(weight.size()), expected(values);
  retention::depthwise_pack(3, 64, weight.data(), {}, packed.data());
  retention::depthwise_reference(test.p, x.data(), weight.data(), bias.data(), nullptr, expected.data());
  CHECK(deviation(run(test, x, packed, bias, {}, false, 2), expected) < 1e-5);
}

TEST_CASE("packing adds the identity and turns the taps round", "[depthwise]") {
  if (!runs_here()) return;
  const DepthwiseProblem p{.batch = 2, .height = 6, .width = 7, .channels = 20};
  const int64_t values = 2 * 6 * 7 * 20;
  const auto x = normal(values, 1), dy = normal(values, 2), weight = normal(20 * 9, 3);
  std::vector<float> packed(20 * 9), plain(values), with_x(values), dx(values);
  retention::depthwise_reference(p, x.data(), weight.data(), nullptr, x.data(), plain.data());
  retention::depthwise_pack(3, 20, weight.data(), {.add_identity = true}, packed.data());
  retention::depthwise(p, x.data(), packed.data(), nullptr, nullptr, with_x.data(), 2);
  CHECK(deviation(with_x, plain) < 1e-6);

  // <conv(x), dy> = <x, conv_flipped(dy)>, so the flipped convolution is the gradient.
  retention::depthwise_reference(p, x.data(), weight.data(), nullptr, nullptr, plain.data());
  retention::depthwise_pack(3, 20, weight.data(), {.flip = true}, packed.data());
  retention::depthwise(p, dy.data(), packed.data(), nullptr, nullptr, dx.data(), 2);
  double left = 0, right = 0;
  for (int64_t i = 0; i < values; ++i) {
    left += static_cast<double>(plain[i]) * dy[i];
    right += static_cast<double>(x[i]) * dx[i];
  }
  CHECK(left == Approx(right).epsilon(1e-5));
}

TEST_CASE("depthwise convolution declines other kernel sizes", "[depthwise]") {
  const float value = 1;
  float out = 5;
  CHECK(!retention::depthwise({.kernel = 7}, &value, &value, nullptr, nullptr, &out, 1));
  CHECK(out == 5);
}
