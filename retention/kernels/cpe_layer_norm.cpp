#include <cmath>

#include <retention/kernels/cpe_layer_norm.h>
#include <retention/kernels/implementation.h>

namespace retentive::retention {
namespace {

double encoded(const CpeNormProblem& p, const float* x, const float* weight, int64_t token, int64_t c) {
  const int64_t w = token % p.width, h = token / p.width % p.height, b = token / p.width / p.height;
  double sum = x[token * p.channels + c];
  for (int64_t dh = -1; dh <= 1; ++dh) {
    for (int64_t dw = -1; dw <= 1; ++dw) {
      if (h + dh < 0 || h + dh >= p.height || w + dw < 0 || w + dw >= p.width) continue;
      const int64_t from = (b * p.height + h + dh) * p.width + w + dw;
      sum += static_cast<double>(weight[(c * 3 + dh + 1) * 3 + dw + 1]) * x[from * p.channels + c];
    }
  }
  return sum;
}

}  // namespace

void cpe_layer_norm_reference(const CpeNormProblem& p, const float* x, const float* conv_weight,
                              const CpeNormWeights& weights, float* position, float* y) {
  for (int64_t token = 0; token < p.batch * p.height * p.width; ++token) {
    const auto value = [&](int64_t c) {
      return encoded(p, x, conv_weight, token, c) + (weights.bias == nullptr ? 0.0 : weights.bias[c]);
    };
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < p.channels; ++c) mean += value(c) / static_cast<double>(p.channels);
    for (int64_t c = 0; c < p.channels; ++c) {
      variance += (value(c) - mean) * (value(c) - mean) / static_cast<double>(p.channels);
    }
    for (int64_t c = 0; c < p.channels; ++c) {
      const int64_t i = token * p.channels + c;
      position[i] = static_cast<float>(value(c));
      y[i] = static_cast<float>((value(c) - mean) / std::sqrt(variance + p.eps) * weights.norm_weight[c] +
                                weights.norm_bias[c]);
    }
  }
}

namespace {

#define RETENTIVE_ROW_F32(isa) {Isa::isa, isa::cpe_layer_norm_f32},
#define RETENTIVE_ROW_BF16(isa) {Isa::isa, isa::cpe_layer_norm_bf16},
#define RETENTIVE_ROW_INT8(isa) {Isa::isa, isa::cpe_layer_norm_int8},
constexpr Implementation<decltype(&avx2::cpe_layer_norm_f32)> kFloat[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_F32)};
constexpr Implementation<decltype(&avx2::cpe_layer_norm_bf16)> kBfloat16[] = {
    RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_BF16)};
constexpr Implementation<decltype(&avx2::cpe_layer_norm_int8)> kInt8[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_INT8)};
#undef RETENTIVE_ROW_F32
#undef RETENTIVE_ROW_BF16
#undef RETENTIVE_ROW_INT8

}  // namespace

bool cpe_layer_norm(const CpeNormProblem& problem, const float* x, const CpeNormWeights& weights, float* position,
                    float* y, int threads) {
  static const auto run = choose(kFloat);
  if (run != nullptr) run(problem, x, weights, position, y, threads);
  return run != nullptr;
}

bool cpe_layer_norm(const CpeNormProblem& problem, const float* x, const CpeNormWeights& weights, float* position,
                    bfloat16* y, int threads) {
  static const auto run = choose(kBfloat16);
  if (run != nullptr) run(problem, x, weights, position, y, threads);
  return run != nullptr;
}

bool cpe_layer_norm(const CpeNormProblem& problem, const float* x, const CpeNormWeights& weights, float* position,
                    QuantizedRows y, int threads) {
  static const auto run = choose(kInt8);
  if (run != nullptr) run(problem, x, weights, position, y, threads);
  return run != nullptr;
}

}  // namespace retentive::retention
