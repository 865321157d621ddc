#include <cstring>
#include <vector>

#include <retention/kernels/int4.h>
#include <retention/kernels/int4_fit.h>

namespace retentive::retention {

namespace {

#define RETENTIVE_ROW_PACK(isa) {Isa::isa, isa::int4_pack_any},
#define RETENTIVE_ROW_LINEAR(isa) {Isa::isa, isa::int4_linear_any},
constexpr Implementation<decltype(&int4_pack)> kPack[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_PACK)};
constexpr Implementation<Int4Linear> kLinear[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_LINEAR)};
#undef RETENTIVE_ROW_PACK
#undef RETENTIVE_ROW_LINEAR

}  // namespace

Int4Linear int4_linear(std::vector<Declined>* declined) { return choose(kLinear, declined); }

void int4_pack(const Int4Weights& weights, const float* weight, uint8_t* values, int threads) {
  static const auto run = choose(kPack);
  (run != nullptr ? run : int4_pack_all)(weights, weight, values, threads);
}

void int4_unpack(const Int4Weights& weights, float* weight) {
  const int64_t groups = weights.groups();
  for (int64_t o = 0; o < weights.out; ++o) {
    for (int64_t i = 0; i < weights.in; ++i) {
      const uint8_t* const from = weights.values + (o / kInt4Panel * groups + i / kInt4Group) * kInt4GroupBytes;
      bfloat16 scale;
      std::memcpy(&scale, from + o % kInt4Panel * 2, 2);
      const auto [byte, high] = int4_place(o % kInt4Panel, i % kInt4Group);
      const int code = high ? from[byte] >> 4 : from[byte] & 15;
      weight[o * weights.in + i] = static_cast<float>(scale) * kInt4Levels[code];
    }
  }
}

int64_t int4_scratch(const Int4Problem& problem) { return problem.rows * problem.weights.groups() * (kInt4Group + 8); }

void int4_linear_reference(const Int4Problem& problem, const float* x, float* y) {
  const auto [in, out, values] = problem.weights;
  std::vector<float> weight(in * out);
  int4_unpack(problem.weights, weight.data());
  for (int64_t row = 0; row < problem.rows; ++row) {
    for (int64_t o = 0; o < out; ++o) {
      double sum = 0;
      for (int64_t i = 0; i < in; ++i) sum += static_cast<double>(x[row * in + i]) * weight[o * in + i];
      y[row * out + o] = static_cast<float>(sum);
    }
  }
}

}  // namespace retentive::retention
