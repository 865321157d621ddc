#include <retention/base/parallel_for.h>
#include <retention/kernels/depthwise.h>
#include <retention/kernels/simd/depthwise_block.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

template <int K, class F, class T>
void convolve(const DepthwiseCall<T>& call, int threads) {
  // With few rows a share of channels costs less than the rows that neighbouring shares have in common.
  const int64_t rows = call.p.batch * call.p.height, vectors = call.vectors();
  const int64_t chunks = rows >= 8 * threads ? 1 : clamped(threads, 1, larger(vectors, 1));
  parallel_for(chunks * rows, threads, [&](int64_t begin, int64_t end, int) {
    Ring<K> ring;
    const F function;
    for_each_block(call.p, chunks, call.p.height, begin, end,
                   [&](const Block& block) { convolve_block(call, block, function, ring); });
  });
}

template <class Activation, class T>
void run(const DepthwiseCall<T>& call, int threads) {
  const bool three = call.p.kernel == 3;
  if (call.p.gelu_input) {
    three ? convolve<3, Activation>(call, threads) : convolve<5, Activation>(call, threads);
  } else {
    three ? convolve<3, Identity>(call, threads) : convolve<5, Identity>(call, threads);
  }
}

}  // namespace

void depthwise_f32(const DepthwiseProblem& p, const float* x, const float* packed, const float* bias,
                   const float* addend, float* out, int threads) {
  run<Gelu>(DepthwiseCall<float>{p, x, packed, bias, addend, out}, threads);
}

void depthwise_bf16(const DepthwiseProblem& p, const bfloat16* x, const float* packed, const float* bias,
                    const bfloat16* addend, bfloat16* out, int threads) {
  run<GeluShort>(DepthwiseCall<bfloat16>{p, x, packed, bias, addend, out}, threads);
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
