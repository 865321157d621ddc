#include <cmath>
#include <numbers>

#include <retention/kernels/depthwise_backward.h>
#include <retention/kernels/implementation.h>

namespace retentive::retention {

void depthwise_backward_weight_reference(const DepthwiseProblem& p, const float* x, const float* dy, float* dweight,
                                         float* dbias) {
  const int64_t stride = p.x_token_stride == 0 ? p.channels : p.x_token_stride, pad = p.kernel / 2;
  const auto input = [&](int64_t b, int64_t h, int64_t w, int64_t c) {
    if (h < 0 || h >= p.height || w < 0 || w >= p.width) return 0.0;
    const double value = x[((b * p.height + h) * p.width + w) * stride + c];
    return p.gelu_input ? 0.5 * value * std::erfc(-value / std::numbers::sqrt2) : value;
  };
  for (int64_t tap = 0; tap <= p.kernel * p.kernel; ++tap) {
    for (int64_t c = 0; c < p.channels; ++c) {
      const bool bias = tap == p.kernel * p.kernel;
      double sum = 0;
      for (int64_t b = 0; b < p.batch; ++b) {
        for (int64_t h = 0; h < p.height; ++h) {
          for (int64_t w = 0; w < p.width; ++w) {
            const double factor = bias ? 1 : input(b, h + tap / p.kernel - pad, w + tap % p.kernel - pad, c);
            sum += factor * dy[((b * p.height + h) * p.width + w) * p.channels + c];
          }
        }
      }
      (bias ? dbias[c] : dweight[tap * p.channels + c]) = static_cast<float>(sum);
    }
  }
}

namespace {

#define RETENTIVE_ROW(isa) {Isa::isa, isa::depthwise_backward_weight_f32},
constexpr Implementation<decltype(&avx2::depthwise_backward_weight_f32)> kFloat[] = {
    RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW)};
#undef RETENTIVE_ROW

}  // namespace

bool depthwise_backward_weight(const DepthwiseProblem& problem, const float* x, const float* dy, float* dweight,
                               float* dbias, int threads) {
  static const auto run = choose(kFloat);
  if (run == nullptr || (problem.kernel != 3 && problem.kernel != 5)) return false;
  run(problem, x, dy, dweight, dbias, threads);
  return true;
}

}  // namespace retentive::retention
