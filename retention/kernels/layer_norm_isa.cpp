#include <retention/base/parallel_for.h>
#include <retention/kernels/layer_norm.h>
#include <retention/kernels/simd/normalise.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

template <class T>
void normalise_rows(const LayerNormProblem& p, const float* x, const float* weight, const float* bias,
                    const RowWriter<T>& y, int threads) {
  const Normaliser normaliser{p.channels, p.eps, p.centred, weight, bias};
  parallel_for(p.rows, threads, [&](int64_t begin, int64_t end, int) { normaliser.apply(x, begin, end, y); });
}

}  // namespace

void layer_norm_f32(const LayerNormProblem& p, const float* x, const float* weight, const float* bias, float* y,
                    int threads) {
  normalise_rows(p, x, weight, bias, RowWriter<float>{y}, threads);
}

void layer_norm_bf16(const LayerNormProblem& p, const float* x, const float* weight, const float* bias, bfloat16* y,
                     int threads) {
  normalise_rows(p, x, weight, bias, RowWriter<bfloat16>{y}, threads);
}

void layer_norm_int8(const LayerNormProblem& p, const float* x, const float* weight, const float* bias, QuantizedRows y,
                     int threads) {
  normalise_rows(p, x, weight, bias, RowWriter<int8_t>{y}, threads);
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
