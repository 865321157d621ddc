#include <retention/base/parallel_for.h>
#include <retention/kernels/activation.h>
#include <retention/kernels/simd/gelu.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

constexpr int64_t kTask = 4096;

// Calls fn(begin, end) for the share of each thread; shares begin at multiples of kTask.
template <class F>
void for_each_share(int64_t count, int threads, F&& fn) {
  parallel_for((count + kTask - 1) / kTask, threads,
               [&](int64_t begin, int64_t end, int) { fn(begin * kTask, smaller(end * kTask, count)); });
}

template <class Function, class T>
void apply_gelu(int64_t count, const T* x, T* y, int threads) {
  for_each_share(count, threads, [=](int64_t i, int64_t end) {
    const Function function;
    for (; i + kLanes <= end; i += kLanes) store(y + i, function(load(x + i)));
    if (i < end) store_first(y + i, function(load_first(x + i, end - i)), end - i);
  });
}

}  // namespace

void gelu_f32(int64_t count, const float* x, float* y, int threads) { apply_gelu<Gelu>(count, x, y, threads); }

void gelu_bf16(int64_t count, const bfloat16* x, bfloat16* y, int threads) {
  apply_gelu<GeluShort>(count, x, y, threads);
}

void gelu_backward_f32(int64_t count, const float* x, const float* dy, float* dx, int threads) {
  for_each_share(count, threads, [=](int64_t i, int64_t end) {
    const GeluSlope slope;
    for (; i + kLanes <= end; i += kLanes) store(dx + i, mul(load(dy + i), slope(load(x + i))));
    const int64_t n = end - i;
    if (n > 0) store_first(dx + i, mul(load_first(dy + i, n), slope(load_first(x + i, n))), n);
  });
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
