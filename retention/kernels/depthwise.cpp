#include <cmath>
#include <numbers>

#include <retention/kernels/depthwise.h>
#include <retention/kernels/implementation.h>

namespace retentive::retention {

void depthwise_pack(int64_t kernel, int64_t channels, const float* weight, const DepthwisePacking& packing,
                    float* packed) {
  const int64_t taps = kernel * kernel;
  for (int64_t tap = 0; tap < taps; ++tap) {
    const int64_t from = packing.flip ? taps - 1 - tap : tap;
    const float centre = packing.add_identity && tap == taps / 2 ? 1.0f : 0.0f;
    for (int64_t c = 0; c < channels; ++c) packed[tap * channels + c] = weight[c * taps + from] + centre;
  }
}

void depthwise_reference(const DepthwiseProblem& p, const float* x, const float* weight, const float* bias,
                         const float* addend, float* out) {
  const int64_t stride = p.x_token_stride == 0 ? p.channels : p.x_token_stride, pad = p.kernel / 2;
  int64_t i = 0;
  const auto input = [&](int64_t b, int64_t h, int64_t w, int64_t c) {
    if (h < 0 || h >= p.height || w < 0 || w >= p.width) return 0.0;
    const double value = x[((b * p.height + h) * p.width + w) * stride + c];
    return p.gelu_input ? 0.5 * value * std::erfc(-value / std::numbers::sqrt2) : value;
  };
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t h = 0; h < p.height; ++h) {
      for (int64_t w = 0; w < p.width; ++w) {
        for (int64_t c = 0; c < p.channels; ++c, ++i) {
          double value = (bias == nullptr ? 0.0 : bias[c]) + (addend == nullptr ? 0.0 : addend[i]);
          for (int64_t dh = 0; dh < p.kernel; ++dh) {
            for (int64_t dw = 0; dw < p.kernel; ++dw) {
              value += weight[(c * p.kernel + dh) * p.kernel + dw] * input(b, h + dh - pad, w + dw - pad, c);
            }
          }
          out[i] = static_cast<float>(value);
        }
      }
    }
  }
}

namespace {

#define RETENTIVE_ROW_F32(isa) {Isa::isa, isa::depthwise_f32},
#define RETENTIVE_ROW_BF16(isa) {Isa::isa, isa::depthwise_bf16},
constexpr Implementation<decltype(&avx2::depthwise_f32)> kFloat[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_F32)};
constexpr Implementation<decltype(&avx2::depthwise_bf16)> kBfloat16[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_BF16)};
#undef RETENTIVE_ROW_F32
#undef RETENTIVE_ROW_BF16

bool runs(const DepthwiseProblem& p) { return p.kernel == 3 || p.kernel == 5; }

}  // namespace

bool depthwise(const DepthwiseProblem& problem, const float* x, const float* packed, const float* bias,
               const float* addend, float* out, int threads) {
  static const auto run = choose(kFloat);
  if (run == nullptr || !runs(problem)) return false;
  run(problem, x, packed, bias, addend, out, threads);
  return true;
}

bool depthwise(const DepthwiseProblem& problem, const bfloat16* x, const float* packed, const float* bias,
               const bfloat16* addend, bfloat16* out, int threads) {
  static const auto run = choose(kBfloat16);
  if (run == nullptr || !runs(problem)) return false;
  run(problem, x, packed, bias, addend, out, threads);
  return true;
}

}  // namespace retentive::retention
