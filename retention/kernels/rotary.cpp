#include <retention/kernels/implementation.h>
#include <retention/kernels/rotary.h>

namespace retentive::retention {

void rotary_reference(const RotaryProblem& p, const float* x, float* y) {
  const int64_t half = p.dim / 2;
  const bool interleaved = p.style == RotaryStyle::interleaved;
  for (int64_t t = 0; t < p.tokens; ++t) {
    for (int64_t h = 0; h < p.heads; ++h) {
      for (int64_t j = 0; j < half; ++j) {
        const int64_t first = h * p.dim + (interleaved ? 2 * j : j);
        const int64_t second = first + (interleaved ? 1 : half);
        const double a = x[t * p.x_stride + first], b = x[t * p.x_stride + second];
        const double cos = p.cos[t * half + j], sin = p.back ? -p.sin[t * half + j] : p.sin[t * half + j];
        y[t * p.y_stride + first] = static_cast<float>(p.scale * (a * cos - b * sin));
        y[t * p.y_stride + second] = static_cast<float>(p.scale * (a * sin + b * cos));
      }
    }
  }
}

namespace {

#define RETENTIVE_ROW_F32(isa) {Isa::isa, isa::rotary_f32},
#define RETENTIVE_ROW_BF16(isa) {Isa::isa, isa::rotary_bf16},
constexpr Implementation<decltype(&avx2::rotary_f32)> kFloat[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_F32)};
constexpr Implementation<decltype(&avx2::rotary_bf16)> kBfloat16[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_BF16)};
#undef RETENTIVE_ROW_F32
#undef RETENTIVE_ROW_BF16

}  // namespace

bool rotary(const RotaryProblem& problem, const float* x, float* y, int threads) {
  static const auto run = choose(kFloat);
  if (run != nullptr) run(problem, x, y, threads);
  return run != nullptr;
}

bool rotary(const RotaryProblem& problem, const bfloat16* x, bfloat16* y, int threads) {
  static const auto run = choose(kBfloat16);
  if (run != nullptr) run(problem, x, y, threads);
  return run != nullptr;
}

}  // namespace retentive::retention
