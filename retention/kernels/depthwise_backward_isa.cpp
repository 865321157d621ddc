#include <retention/base/parallel_for.h>
#include <retention/kernels/depthwise_backward.h>
#include <retention/kernels/simd/channel_ring.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

// Kernel rows whose sums fit the registers beside the values that are read.
template <int K>
constexpr int kRowsAtOnce = kLanes == 16 ? K : (K == 3 ? 3 : 2);
constexpr int kPixels = 4;

// What rows outside the image are read from.
alignas(64) constexpr float kZeros[(kWidestBlock + 4) * kLanes] = {};

/// Sums of one vector of channels: all taps, then the bias.
template <int K>
struct Sums {
  alignas(64) float values[(K * K + 1) * kLanes];

  void clear() { fill(values, values + (K * K + 1) * kLanes, 0.0f); }
  void accumulate(int tap, Floats x) { store(values + tap * kLanes, add(load(values + tap * kLanes), x)); }
};

inline Floats load_lanes(const float* from, int64_t n) { return n == kLanes ? load(from) : load_first(from, n); }

// N pixels of a row into the sums of G kernel rows.
template <int K, int G, int N>
inline void accumulate_pixels(const float* const (&rows)[K], int first, int64_t column, const Floats (&dy)[N],
                              Floats (&sums)[G * K]) {
#pragma GCC unroll 8
  for (int g = 0; g < G; ++g) {
    const float* from = rows[first + g] + column * kLanes;
    hide(from);
#pragma GCC unroll 16
    for (int j = 0; j < N + K - 1; ++j) {
      const Floats x = load_once(from + j * kLanes);
#pragma GCC unroll 8
      for (int dx = 0; dx < K; ++dx) {
        const int i = j - dx;
        if (i >= 0 && i < N) sums[g * K + dx] = fmadd(x, dy[i], sums[g * K + dx]);
      }
    }
  }
}

// A row of dy into the sums of kernel rows [first, first + G), and into the bias when first is 0.
template <int K, int G>
void accumulate_row(const float* const (&rows)[K], int first, const float* dy, int64_t stride, int64_t count,
                    int64_t lanes, Sums<K>& total) {
  Floats sums[G * K], bias = zero();
#pragma GCC unroll 32
  for (int i = 0; i < G * K; ++i) sums[i] = zero();
  int64_t column = 0;
  for (; column + kPixels <= count; column += kPixels, dy += kPixels * stride) {
    Floats values[kPixels];
#pragma GCC unroll 4
    for (int i = 0; i < kPixels; ++i) values[i] = load_lanes(dy + i * stride, lanes);
    accumulate_pixels<K, G>(rows, first, column, values, sums);
    bias = add(bias, add(add(values[0], values[1]), add(values[2], values[3])));
  }
  for (; column < count; ++column, dy += stride) {
    const Floats value[1] = {load_lanes(dy, lanes)};
    accumulate_pixels<K, G>(rows, first, column, value, sums);
    bias = add(bias, value[0]);
  }
#pragma GCC unroll 32
  for (int i = 0; i < G * K; ++i) total.accumulate(first * K + i, sums[i]);
  if (first == 0) total.accumulate(K * K, bias);
}

// Row, image and batch are summed apart, which keeps rounding small.
template <int K>
struct Backward {
  DepthwiseCall<float> call;
  const float* dy;
  float* dweight;
  float* dbias;

  void row(const Block& block, int64_t y, Ring<K>& ring, Sums<K>* sums) const {
    const int64_t token = (block.image * call.p.height + y) * call.p.width + block.x0;
    for (int64_t c = block.c0, v = 0; c < block.c1; c += kLanes, ++v) {
      const float* rows[K];
      for (int tap = 0; tap < K; ++tap) {
        const int64_t from = y + tap - K / 2;
        const bool inside = from >= 0 && from < call.p.height;
        rows[tap] = inside ? ring.row(from, v) : kZeros;
      }
      const float* d = dy + token * call.p.channels + c;
      const int64_t count = block.columns(), lanes = smaller(block.c1 - c, kLanes);
      constexpr int kGroup = kRowsAtOnce<K>;
      int tap = 0;
      for (; tap + kGroup <= K; tap += kGroup) {
        accumulate_row<K, kGroup>(rows, tap, d, call.p.channels, count, lanes, sums[v]);
      }
      if constexpr (K % kGroup != 0) {
        accumulate_row<K, K % kGroup>(rows, tap, d, call.p.channels, count, lanes, sums[v]);
      }
    }
  }

  void add_to_gradients(const Block& block, Sums<K>* sums) const {
    for (int64_t c = block.c0, v = 0; c < block.c1; c += kLanes, ++v) {
      for (int64_t i = 0; i < smaller(block.c1 - c, kLanes); ++i) {
        for (int tap = 0; tap < K * K; ++tap)
          dweight[tap * call.p.channels + c + i] += sums[v].values[tap * kLanes + i];
        if (dbias != nullptr) dbias[c + i] += sums[v].values[K * K * kLanes + i];
      }
    }
  }

  template <class F>
  void channels(int64_t begin, int64_t end, const F& function) const {
    for (int tap = 0; tap < K * K; ++tap) {
      float* const row = dweight + tap * call.p.channels;
      fill(row + begin, row + end, 0.0f);
    }
    if (dbias != nullptr) fill(dbias + begin, dbias + end, 0.0f);
    Ring<K> ring;
    Sums<K> sums[kRingVectors];
    for (int64_t image = 0; image < call.p.batch; ++image) {
      const Block whole{.image = image, .y1 = call.p.height, .c0 = begin, .c1 = end};
      for_each_strip(call.p, whole, [&](const Block& strip) {
        for_each_row(call, strip, function, ring, [&](const Block& part, int64_t y) {
          if (y == 0)
            for (int64_t i = 0; i < part.vectors(); ++i) sums[i].clear();
          row(part, y, ring, sums);
          if (y + 1 == part.y1) add_to_gradients(part, sums);
        });
      });
    }
  }
};

template <int K, class F>
void run(const Backward<K>& backward, int threads) {
  const DepthwiseProblem& p = backward.call.p;
  // Shares of channels need no sum over threads.
  parallel_for(backward.call.vectors(), threads, [&](int64_t begin, int64_t end, int) {
    backward.channels(begin * kLanes, smaller(end * kLanes, p.channels), F());
  });
}

}  // namespace

void depthwise_backward_weight_f32(const DepthwiseProblem& p, const float* x, const float* dy, float* dweight,
                                   float* dbias, int threads) {
  const DepthwiseCall<float> call{p, x, nullptr, nullptr, nullptr, nullptr};
  const Backward<3> three{call, dy, dweight, dbias};
  const Backward<5> five{call, dy, dweight, dbias};
  if (p.gelu_input) {
    p.kernel == 3 ? run<3, Gelu>(three, threads) : run<5, Gelu>(five, threads);
  } else {
    p.kernel == 3 ? run<3, Identity>(three, threads) : run<5, Identity>(five, threads);
  }
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
