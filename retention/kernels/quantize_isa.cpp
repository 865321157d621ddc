#include <retention/base/parallel_for.h>
#include <retention/kernels/quantize.h>
#include <retention/kernels/simd/rows.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

template <class T>
void run(const QuantizeProblem& p, const T* x, QuantizedRows q, int threads) {
  const RowWriter<int8_t> writer{q};
  const int64_t channels = p.channels;
  parallel_for(p.rows, threads, [&](int64_t begin, int64_t end, int) {
    for_each_row_block(begin, end, channels, [&](int64_t from, int64_t to) {
      writer.write(from, to, channels, [&](int, int64_t row) {
        const T* const values = x + row * channels;
        return [=](int r, int64_t c, int64_t n) { return load_part(values + r * channels + c, n); };
      });
    });
  });
}

}  // namespace

void quantize_rows_f32(const QuantizeProblem& p, const float* x, QuantizedRows q, int threads) {
  run(p, x, q, threads);
}

void quantize_rows_bf16(const QuantizeProblem& p, const bfloat16* x, QuantizedRows q, int threads) {
  run(p, x, q, threads);
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
