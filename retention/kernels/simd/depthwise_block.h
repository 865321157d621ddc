#pragma once

#include <algorithm>

#include <retention/kernels/depthwise.h>
#include <retention/kernels/simd/gelu.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

template <class T>
struct DepthwiseCall {
  DepthwiseProblem p;
  const T* x;
  const float* packed;
  const float* bias;
  const T* addend;
  T* out;

  int64_t token_stride() const { return p.x_token_stride == 0 ? p.channels : p.x_token_stride; }
};

/// Tokens [y0, y1) x [x0, x1) of an image, channels [c0, c1).
struct Block {
  int64_t image = 0, y0 = 0, y1 = 0, x0 = 0, x1 = 0, c0 = 0, c1 = 0;
};

struct Identity {
  Floats operator()(Floats x) const { return x; }
};

/// The input rows that an output row needs, padded with zeros: [slot][vector of channels][column][lane]. It lives in
/// L1.
constexpr int64_t kRingFloats = 9216;
constexpr int64_t kWidestBlock = 64;
constexpr int kWidestTile = kLanes == 16 ? 14 : 7;

template <int K>
struct Ring {
  alignas(64) float values[kRingFloats];
  int64_t columns = 0;
  int64_t slot_floats = 0;

  float* slot(int64_t y) { return values + (y % K) * slot_floats; }
};

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

// N neighbouring outputs, the first of them at `column` of the ring.
template <int K, int N, bool kFull, class T>
inline void convolve_tile(const RowTaps<K>& taps, int64_t column, Floats bias, const T* addend, T* out) {
  Floats sums[N];
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) sums[i] = bias;
  for (int dy = taps.first; dy < taps.last; ++dy) {
    Floats weights[K];
#pragma GCC unroll 8
    for (int dx = 0; dx < K; ++dx) {
      weights[dx] = load_lanes<kFull>(taps.packed + (dy * K + dx) * taps.channels, taps.lanes);
    }
    const float* from = taps.rows[dy] + column * kLanes;
#pragma GCC unroll 32
    for (int j = 0; j < N + K - 1; ++j) {
      const Floats x = load(from + j * kLanes);
#pragma GCC unroll 8
      for (int dx = 0; dx < K; ++dx) {
        const int i = j - dx;
        if (i >= 0 && i < N) sums[i] = fmadd(x, weights[dx], sums[i]);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) {
    const int64_t at = i * taps.channels;
    const Floats y = addend == nullptr ? sums[i] : add(sums[i], load_lanes<kFull>(addend + at, taps.lanes));
    if (kFull) {
      store(out + at, y);
    } else {
      store_first(out + at, y, taps.lanes);
    }
  }
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
  RowTaps<K> taps{.first = static_cast<int>(std::max<int64_t>(0, K / 2 - y)),
                  .last = static_cast<int>(std::min<int64_t>(K, call.p.height + K / 2 - y)),
                  .channels = call.p.channels};
  for (int64_t c = block.c0, v = 0; c < block.c1; c += kLanes, ++v) {
    for (int dy = taps.first; dy < taps.last; ++dy) {
      taps.rows[dy] = ring.slot(y + dy - K / 2) + v * ring.columns * kLanes;
    }
    taps.packed = call.packed + c;
    taps.lanes = std::min<int64_t>(block.c1 - c, kLanes);
    const int64_t at = token * call.p.channels + c, count = block.x1 - block.x0;
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

// Row y of x through `function` into its slot.
template <int K, class T, class F>
void fill_row(const DepthwiseCall<T>& call, const Block& block, int64_t y, const F& function, Ring<K>& ring) {
  const int64_t begin = std::max<int64_t>(block.x0 - K / 2, 0), end = std::min(block.x1 + K / 2, call.p.width);
  const int64_t before = begin - (block.x0 - K / 2), stride = call.token_stride();
  const T* const row = call.x + ((block.image * call.p.height + y) * call.p.width + begin) * stride;
  float* to = ring.slot(y);
  for (int64_t c = block.c0; c < block.c1; c += kLanes) {
    const T* from = row + c;
    const int64_t n = std::min<int64_t>(block.c1 - c, kLanes);
    float* const vector_end = to + ring.columns * kLanes;
    for (int64_t j = 0; j < before; ++j, to += kLanes) store(to, zero());
    if (n == kLanes) {
      for (int64_t j = begin; j < end; ++j, to += kLanes, from += stride) store(to, function(load(from)));
    } else {
      for (int64_t j = begin; j < end; ++j, to += kLanes, from += stride) store(to, function(load_first(from, n)));
    }
    for (; to < vector_end; to += kLanes) store(to, zero());
  }
}

template <int K, class T, class F>
void convolve_block(const DepthwiseCall<T>& call, const Block& block, const F& function, Ring<K>& ring) {
  ring.columns = block.x1 - block.x0 + K - 1;
  ring.slot_floats = (block.c1 - block.c0 + kLanes - 1) / kLanes * ring.columns * kLanes;
  int64_t filled = std::max<int64_t>(block.y0 - K / 2, 0);
  for (int64_t y = block.y0; y < block.y1; ++y) {
    const int64_t needed = std::min(y + K / 2 + 1, call.p.height);
    for (; filled < needed; ++filled) fill_row(call, block, filled, function, ring);
    convolve_row(call, block, y, ring);
  }
}

// Vectors of channels that the ring holds for `columns` outputs.
template <int K>
inline int64_t ring_vectors(int64_t columns) {
  return kRingFloats / (K * (columns + K - 1) * kLanes);
}

/// A block of any number of channels, at most kWidestBlock columns wide.
template <int K, class T, class F>
void convolve_channels(const DepthwiseCall<T>& call, Block block, const F& function, Ring<K>& ring) {
  const int64_t end = block.c1, vectors = (end - block.c0 + kLanes - 1) / kLanes;
  const int64_t parts = (vectors + ring_vectors<K>(block.x1 - block.x0) - 1) / ring_vectors<K>(block.x1 - block.x0);
  const int64_t step = (vectors + parts - 1) / parts * kLanes;
  for (; block.c0 < end; block.c0 += step) {
    block.c1 = std::min(block.c0 + step, end);
    convolve_block(call, block, function, ring);
  }
}

/// Calls fn(block) for the shares [begin, end) of `chunks` x batch x height rows, cut into blocks of whole chunks of
/// channels, at most kWidestBlock columns and `rows` rows.
template <class F>
void for_each_block(const DepthwiseProblem& p, int64_t chunks, int64_t rows, int64_t begin, int64_t end, F&& fn) {
  const int64_t strips = (p.width + kWidestBlock - 1) / kWidestBlock;
  const int64_t vectors = (p.channels + kLanes - 1) / kLanes;
  while (begin < end) {
    const int64_t chunk = begin / (p.batch * p.height), row = begin % (p.batch * p.height);
    Block block{.image = row / p.height, .y0 = row % p.height};
    block.y1 = std::min({p.height, block.y0 + rows, block.y0 + end - begin});
    block.c0 = vectors * chunk / chunks * kLanes;
    block.c1 = std::min(vectors * (chunk + 1) / chunks * kLanes, p.channels);
    for (int64_t strip = 0; strip < strips; ++strip) {
      block.x0 = p.width * strip / strips;
      block.x1 = p.width * (strip + 1) / strips;
      fn(block);
    }
    begin += block.y1 - block.y0;
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
