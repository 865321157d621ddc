#include <cstring>

#include <kernels/random_values.h>
#include <retention/kernels/cpe_layer_norm.h>
#include <retention/kernels/depthwise.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using retention::CpeNormProblem;
using retention::CpeNormWeights;

namespace {

struct Inputs {
  CpeNormProblem p;
  int64_t count;
  std::vector<float> x, conv, bias, norm_weight, norm_bias, packed;

  explicit Inputs(const CpeNormProblem& problem)
      : p(problem),
        count(p.batch * p.height * p.width * p.channels),
        x(normal(count, 1, 2)),
        conv(normal(p.channels * 9, 2)),
        bias(normal(p.channels, 3)),
        norm_weight(normal(p.channels, 4)),
        norm_bias(normal(p.channels, 5)),
        packed(conv.size()) {
    retention::depthwise_pack(3, p.channels, conv.data(), {.add_identity = true}, packed.data());
  }

  CpeNormWeights weights() const { return {packed.data(), bias.data(), norm_weight.data(), norm_bias.data()}; }
  std::string name() const {
    return std::to_string(p.height) + "x" + std::to_string(p.width) + "x" + std::to_string(p.channels);
  }
};

std::vector<CpeNormProblem> problems() {
  const int64_t grids[][3] = {{1, 1, 1}, {2, 7, 5}, {1, 14, 14}, {1, 25, 42}, {1, 1, 9}, {1, 9, 1}, {2, 6, 131}};
  std::vector<CpeNormProblem> all;
  for (const auto& [b, h, w] : grids) {
    // With one channel the norm is 0 / sqrt(eps): the others judge it.
    for (const int64_t c : {7, 16, 20, 64, 80}) all.push_back({b, h, w, c});
  }
  all.push_back({1, 7, 7, 512});
  all.push_back({1, 5, 70, 1024});
  return all;
}

}  // namespace

TEST_CASE("fused position encoding and norm equal the reference", "[cpe_layer_norm]") {
  WorstDeviation worst("cpe fp32"), worst_norm("cpe + layer norm fp32"), worst_bf16("cpe + layer norm bf16");
  for (const auto& problem : problems()) {
    const Inputs in(problem);
    INFO(in.name());
    std::vector<float> position(in.count), y(in.count), got_position(in.count, NAN), got(in.count, NAN);
    retention::cpe_layer_norm_reference(in.p, in.x.data(), in.conv.data(), in.weights(), position.data(), y.data());
    if (!retention::cpe_layer_norm(in.p, in.x.data(), in.weights(), got_position.data(), got.data(), 2)) return;
    CHECK(worst.add(in.name(), deviation(got_position, position)) < 1e-5);
    CHECK(worst_norm.add(in.name(), deviation(got, y)) < 1e-5);
    for (const int threads : {1, 3}) {
      std::vector<float> again_position(in.count, NAN), again(in.count, NAN);
      retention::cpe_layer_norm(in.p, in.x.data(), in.weights(), again_position.data(), again.data(), threads);
      CHECK(again_position == got_position);
      CHECK(again == got);
    }
    std::vector<bfloat16> half(in.count, bfloat16(NAN));
    retention::cpe_layer_norm(in.p, in.x.data(), in.weights(), got_position.data(), half.data(), 2);
    // One rounding to 8 significant bits: at most 2^-8 of the value.
    CHECK(worst_bf16.add(in.name(), deviation(widened(half), y)) < 0.0040);
  }
}

TEST_CASE("fused position encoding and norm quantise", "[cpe_layer_norm]") {
  const Inputs in({2, 7, 5, 20});
  std::vector<float> position(in.count), y(in.count), scales(70, NAN), restored(in.count);
  std::vector<int8_t> values(in.count, 99);
  retention::cpe_layer_norm_reference(in.p, in.x.data(), in.conv.data(), in.weights(), position.data(), y.data());
  if (!retention::cpe_layer_norm(in.p, in.x.data(), in.weights(), position.data(),
                                 retention::QuantizedRows{values.data(), scales.data()}, 2)) {
    return;
  }
  for (int64_t i = 0; i < in.count; ++i) restored[i] = scales[i / 20] * static_cast<float>(values[i]);
  // Half a step of max / 127.
  CHECK(deviation(restored, y) < 0.51 / 127);
}
