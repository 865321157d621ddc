#include <retention/base/parallel_for.h>
#include <retention/kernels/cpe_layer_norm.h>
#include <retention/kernels/simd/depthwise_block.h>
#include <retention/kernels/simd/normalise.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

// What a block may write before it is normalised: it must still be in L2 then.
constexpr int64_t kBlockBytes = 512 * 1024;

template <class T>
void run(const CpeNormProblem& p, const float* x, const CpeNormWeights& weights, float* position, const RowWriter<T>& y,
         int threads) {
  const DepthwiseProblem conv{.batch = p.batch, .height = p.height, .width = p.width, .channels = p.channels};
  const DepthwiseCall<float> call{conv, x, weights.packed, weights.bias, nullptr, position};
  const Normaliser normaliser{p.channels, p.eps, true, weights.norm_weight, weights.norm_bias};
  const int64_t row_bytes = smaller(p.width, kWidestBlock) * p.channels * static_cast<int64_t>(sizeof(float));
  const int64_t rows = larger(4, kBlockBytes / row_bytes);
  parallel_for(p.batch * p.height, threads, [&](int64_t begin, int64_t end, int) {
    Ring<3> ring;
    for_each_block(call.p, 1, rows, begin, end, [&](const Block& block) {
      convolve_block(call, block, Identity(), ring);
      // Whole rows follow each other.
      const bool whole = block.columns() == p.width;
      for (int64_t h = block.y0; h < block.y1; h = whole ? block.y1 : h + 1) {
        const int64_t first = (block.image * p.height + h) * p.width + block.x0;
        normaliser.apply(position, first, first + block.columns() * (whole ? block.y1 - h : 1), y);
      }
    });
  });
}

}  // namespace

void cpe_layer_norm_f32(const CpeNormProblem& p, const float* x, const CpeNormWeights& weights, float* position,
                        float* y, int threads) {
  run(p, x, weights, position, RowWriter<float>{y}, threads);
}

void cpe_layer_norm_bf16(const CpeNormProblem& p, const float* x, const CpeNormWeights& weights, float* position,
                         bfloat16* y, int threads) {
  run(p, x, weights, position, RowWriter<bfloat16>{y}, threads);
}

void cpe_layer_norm_int8(const CpeNormProblem& p, const float* x, const CpeNormWeights& weights, float* position,
                         QuantizedRows y, int threads) {
  run(p, x, weights, position, RowWriter<int8_t>{y}, threads);
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
