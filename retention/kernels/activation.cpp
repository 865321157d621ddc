#include <cmath>
#include <numbers>

#include <retention/kernels/activation.h>
#include <retention/kernels/implementation.h>

namespace retentive::retention {

void gelu_reference(int64_t count, const float* x, float* y) {
  for (int64_t i = 0; i < count; ++i) {
    const double value = x[i];
    y[i] = static_cast<float>(0.5 * value * std::erfc(-value / std::numbers::sqrt2));
  }
}

void gelu_backward_reference(int64_t count, const float* x, const float* dy, float* dx) {
  for (int64_t i = 0; i < count; ++i) {
    const double value = x[i];
    const double density = std::exp(-0.5 * value * value) / std::sqrt(2 * std::numbers::pi);
    dx[i] = static_cast<float>(dy[i] * (0.5 * std::erfc(-value / std::numbers::sqrt2) + value * density));
  }
}

namespace {

#define RETENTIVE_ROW_F32(isa) {Isa::isa, isa::gelu_f32},
#define RETENTIVE_ROW_BF16(isa) {Isa::isa, isa::gelu_bf16},
#define RETENTIVE_ROW_BACKWARD(isa) {Isa::isa, isa::gelu_backward_f32},
constexpr Implementation<decltype(&avx2::gelu_f32)> kFloat[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_F32)};
constexpr Implementation<decltype(&avx2::gelu_bf16)> kBfloat16[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_BF16)};
constexpr Implementation<decltype(&avx2::gelu_backward_f32)> kBackward[] = {
    RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_BACKWARD)};
#undef RETENTIVE_ROW_F32
#undef RETENTIVE_ROW_BF16
#undef RETENTIVE_ROW_BACKWARD

}  // namespace

bool gelu(int64_t count, const float* x, float* y, int threads) {
  static const auto run = choose(kFloat);
  if (run != nullptr) run(count, x, y, threads);
  return run != nullptr;
}

bool gelu(int64_t count, const bfloat16* x, bfloat16* y, int threads) {
  static const auto run = choose(kBfloat16);
  if (run != nullptr) run(count, x, y, threads);
  return run != nullptr;
}

bool gelu_backward(int64_t count, const float* x, const float* dy, float* dx, int threads) {
  static const auto run = choose(kBackward);
  if (run != nullptr) run(count, x, dy, dx, threads);
  return run != nullptr;
}

}  // namespace retentive::retention
