#pragma once

#include <retention/kernels/simd/channel_ring.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

constexpr int kWidestTile = kLanes == 16 ? 14 : 7;

// One output row of a vector of channels: the taps whose row is inside the image, and where they read.
template <int K>
struct RowTaps {
  const float* rows[K] = {};
  int first = 0, last = K;
  const float* packed = nullptr;
  int64_t channels = 0;
  int64_t lanes = kLanes;
};

template <bool kFull, class T>
inline Floats load_lanes(const T* from, int64_t n) {
  return kFull ? load(from) : load_first(from, n);
}

template <int N, bool kFull, class T>
[[gnu::always_inline]] inline void store_tile(const Floats (&sums)[N], const T* addend, T* out, int64_t channels,
                                              int64_t lanes) {
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) {
    Floats y = sums[i];
    if (addend != nullptr) {
      y = add(y, load_lanes<kFull>(addend, lanes));
      addend += channels;
    }
    if (kFull) {
      store(out, y);
    } else {
      store_first(out, y, lanes);
    }
    out += channels;
    hide(out);
  }
}

// N neighbouring outputs, the first of them at `column` of the ring.
template <int K, int N, bool kFull, class T>
[[gnu::always_inline]] inline void convolve_tile(const RowTaps<K>& taps, int64_t column, Floats bias, const T* addend,
                                                 T* out) {
  const int64_t channels = taps.channels, lanes = taps.lanes;
  const float* packed = taps.packed + taps.first * K * channels;
  Floats sums[N];
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) sums[i] = bias;
  for (int dy = taps.first; dy < taps.last; ++dy) {
    Floats weights[K];
#pragma GCC unroll 8
    for (int dx = 0; dx < K; ++dx) {
      weights[dx] = load_lanes<kFull>(packed, lanes);
      packed += channels;
    }
    const float* from = taps.rows[dy] + column * kLanes;
    hide(from);
#pragma GCC unroll 32
    for (int j = 0; j < N + K - 1; ++j) {
      const Floats x = load_once(from + j * kLanes);
#pragma GCC unroll 8
      for (int dx = 0; dx < K; ++dx) {
        const int i = j - dx;
        if (i >= 0 && i < N) sums[i] = fmadd(x, weights[dx], sums[i]);
      }
    }
  }
  store_tile<N, kFull>(sums, addend, out, channels, lanes);
}

// Tiles of N as long as they fit, then narrower ones.
template <int K, int N, bool kFull, class T>
inline void convolve_columns(const RowTaps<K>& taps, int64_t column, int64_t count, Floats bias, const T* addend,
                             T* out) {
  for (; count >= N; count -= N, column += N) {
    const int64_t at = column * taps.channels;
    convolve_tile<K, N, kFull>(taps, column, bias, addend == nullptr ? nullptr : addend + at, out + at);
  }
  if constexpr (N > 1) {
    constexpr int kNext = N == 14 ? 8 : N == 8 ? 7 : N == 7 ? 4 : N / 2;
    if (count > 0) convolve_columns<K, kNext, kFull>(taps, column, count, bias, addend, out);
  }
}

template <int K, class T>
void convolve_row(const DepthwiseCall<T>& call, const Block& block, int64_t y, Ring<K>& ring) {
  const int64_t token = (block.image * call.p.height + y) * call.p.width + block.x0;
  RowTaps<K> taps{.first = static_cast<int>(larger(0, K / 2 - y)),
                  .last = static_cast<int>(smaller(K, call.p.height + K / 2 - y)),
                  .channels = call.p.channels};
  for (int64_t c = block.c0, v = 0; c < block.c1; c += kLanes, ++v) {
    for (int dy = taps.first; dy < taps.last; ++dy) {
      taps.rows[dy] = ring.row(y + dy - K / 2, v);
    }
    taps.packed = call.packed + c;
    taps.lanes = smaller(block.c1 - c, kLanes);
    const int64_t at = token * call.p.channels + c, count = block.columns();
    const T* addend = call.addend == nullptr ? nullptr : call.addend + at;
    if (taps.lanes == kLanes) {
      const Floats bias = call.bias == nullptr ? zero() : load(call.bias + c);
      convolve_columns<K, kWidestTile, true>(taps, 0, count, bias, addend, call.out + at);
    } else {
      const Floats bias = call.bias == nullptr ? zero() : load_first(call.bias + c, taps.lanes);
      convolve_columns<K, 4, false>(taps, 0, count, bias, addend, call.out + at);
    }
  }
}

/// A block of any number of channels.
template <int K, class T, class F>
void convolve_block(const DepthwiseCall<T>& call, const Block& block, const F& function, Ring<K>& ring) {
  for_each_row(call, block, function, ring, [&](const Block& part, int64_t y) { convolve_row(call, part, y, ring); });
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
