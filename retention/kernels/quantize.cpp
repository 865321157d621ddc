#include <cmath>

#include <retention/kernels/implementation.h>
#include <retention/kernels/quantize.h>

namespace retentive::retention {

void quantize_rows_reference(const QuantizeProblem& p, const float* x, QuantizedRows q) {
  for (int64_t row = 0; row < p.rows; ++row) {
    double most = 0;
    for (int64_t c = 0; c < p.channels; ++c) {
      const double size = std::fabs(x[row * p.channels + c]);
      if (!(size <= most)) most = size;
      if (std::isnan(most)) break;
    }
    if (most <= kSmallestQuantized) most = 0;
    q.scales[row] = static_cast<float>(most / 127);
    for (int64_t c = 0; c < p.channels; ++c) {
      const double value = x[row * p.channels + c];
      q.values[row * p.channels + c] =
          static_cast<int8_t>(most == 0 || !std::isfinite(most) ? 0 : std::nearbyint(value * 127 / most));
    }
  }
}

namespace {

#define RETENTIVE_ROW_F32(isa) {Isa::isa, isa::quantize_rows_f32},
#define RETENTIVE_ROW_BF16(isa) {Isa::isa, isa::quantize_rows_bf16},
constexpr Implementation<decltype(&avx2::quantize_rows_f32)> kFloat[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_F32)};
constexpr Implementation<decltype(&avx2::quantize_rows_bf16)> kBfloat16[] = {
    RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_BF16)};
#undef RETENTIVE_ROW_F32
#undef RETENTIVE_ROW_BF16

}  // namespace

bool quantize_rows(const QuantizeProblem& problem, const float* x, QuantizedRows q, int threads) {
  static const auto run = choose(kFloat);
  if (run != nullptr) run(problem, x, q, threads);
  return run != nullptr;
}

bool quantize_rows(const QuantizeProblem& problem, const bfloat16* x, QuantizedRows q, int threads) {
  static const auto run = choose(kBfloat16);
  if (run != nullptr) run(problem, x, q, threads);
  return run != nullptr;
}

}  // namespace retentive::retention
