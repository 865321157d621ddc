#include <cmath>

#include <retention/kernels/implementation.h>
#include <retention/kernels/layer_norm.h>

namespace retentive::retention {

void layer_norm_reference(const LayerNormProblem& p, const float* x, const float* weight, const float* bias, float* y) {
  for (int64_t row = 0; row < p.rows; ++row, x += p.channels, y += p.channels) {
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < p.channels && p.centred; ++c) mean += x[c];
    mean /= static_cast<double>(p.channels);
    for (int64_t c = 0; c < p.channels; ++c) variance += (x[c] - mean) * (x[c] - mean);
    variance /= static_cast<double>(p.channels);
    for (int64_t c = 0; c < p.channels; ++c) {
      y[c] = static_cast<float>((x[c] - mean) / std::sqrt(variance + p.eps) * weight[c] + bias[c]);
    }
  }
}

namespace {

#define RETENTIVE_ROW_F32(isa) {Isa::isa, isa::layer_norm_f32},
#define RETENTIVE_ROW_BF16(isa) {Isa::isa, isa::layer_norm_bf16},
#define RETENTIVE_ROW_INT8(isa) {Isa::isa, isa::layer_norm_int8},
constexpr Implementation<decltype(&avx2::layer_norm_f32)> kFloat[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_F32)};
constexpr Implementation<decltype(&avx2::layer_norm_bf16)> kBfloat16[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_BF16)};
constexpr Implementation<decltype(&avx2::layer_norm_int8)> kInt8[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_INT8)};
#undef RETENTIVE_ROW_F32
#undef RETENTIVE_ROW_BF16
#undef RETENTIVE_ROW_INT8

}  // namespace

bool layer_norm(const LayerNormProblem& problem, const float* x, const float* weight, const float* bias, float* y,
                int threads) {
  static const auto run = choose(kFloat);
  if (run != nullptr) run(problem, x, weight, bias, y, threads);
  return run != nullptr;
}

bool layer_norm(const LayerNormProblem& problem, const float* x, const float* weight, const float* bias, bfloat16* y,
                int threads) {
  static const auto run = choose(kBfloat16);
  if (run != nullptr) run(problem, x, weight, bias, y, threads);
  return run != nullptr;
}

bool layer_norm(const LayerNormProblem& problem, const float* x, const float* weight, const float* bias,
                QuantizedRows y, int threads) {
  static const auto run = choose(kInt8);
  if (run != nullptr) run(problem, x, weight, bias, y, threads);
  return run != nullptr;
}

}  // namespace retentive::retention
