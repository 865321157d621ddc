#pragma once

#include <retention/kernels/depthwise.h>
#include <retention/kernels/simd/gelu.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

constexpr int64_t kFarBytes = 12 * 1024 * 1024;

template <class T>
struct DepthwiseCall {
  DepthwiseProblem p;
  const T* x;
  const float* packed;
  const float* bias;
  const T* addend;
  T* out;

  int64_t token_stride() const { return p.x_token_stride == 0 ? p.channels : p.x_token_stride; }
  int64_t vectors() const { return (p.channels + kLanes - 1) / kLanes; }
  /// Whether input and output are more than caches hold from one call to the next.
  bool far() const {
    return out != nullptr && p.batch * p.height * p.width * p.channels > kFarBytes / static_cast<int64_t>(sizeof(T));
  }
};

/// Tokens [y0, y1) x [x0, x1) of an image, channels [c0, c1).
struct Block {
  int64_t image = 0, y0 = 0, y1 = 0, x0 = 0, x1 = 0, c0 = 0, c1 = 0;

  int64_t columns() const { return x1 - x0; }
  int64_t vectors() const { return (c1 - c0 + kLanes - 1) / kLanes; }
};

struct Identity {
  Floats operator()(Floats x) const { return x; }
};

// With it half of L1 is left for what streams past.
constexpr int64_t kRingFloats = 6144;
constexpr int64_t kRingVectors = 16;
constexpr int64_t kWidestBlock = 64;

/// The input rows that an output row needs, after the activation, padded with zeros: [slot][vector][column][lane].
template <int K>
struct Ring {
  alignas(64) float values[kRingFloats];
  int64_t columns = 0;
  int64_t slot_floats = 0;

  /// The vectors of channels for which rows of `width` outputs fit.
  static int64_t vectors(int64_t width) { return smaller(kRingVectors, kRingFloats / (K * (width + K - 1) * kLanes)); }

  void shape(const Block& block) {
    columns = block.columns() + K - 1;
    slot_floats = block.vectors() * columns * kLanes;
  }
  float* row(int64_t y, int64_t vector) { return values + (y % K) * slot_floats + vector * columns * kLanes; }
};

/// Makes GCC address from this pointer, by constant offsets; it would keep a register or a stack slot for each offset.
template <class P>
inline void hide(P*& pointer) {
  asm("" : "+r"(pointer));
}

/// Keeps what is read in a register: GCC would read it again for each use, and loads are what runs out first.
inline Floats load_once(const float* from) {
  Floats x = load(from);
  asm("" : "+v"(x));
  return x;
}

// Row y of x through `function` into the ring. kFar: from memory, where the jumps between rows defeat the processor's
// own prefetching.
template <bool kFar, int K, class T, class F>
void fill_row(const DepthwiseCall<T>& call, const Block& block, int64_t y, const F function, Ring<K>& ring) {
  const int64_t begin = larger(block.x0 - K / 2, 0), end = smaller(block.x1 + K / 2, call.p.width);
  const int64_t before = begin - (block.x0 - K / 2), stride = call.token_stride();
  const T* const row = call.x + ((block.image * call.p.height + y) * call.p.width + begin) * stride;
  const T* const out = call.out + (block.image * call.p.height + y) * call.p.width * call.p.channels;
  const int64_t next_row = y + 1 < call.p.height ? call.p.width * stride : 0;
  float* to = ring.row(y, 0);
  for (int64_t c = block.c0; c < block.c1; c += kLanes) {
    const T* from = row + c;
    const int64_t n = smaller(block.c1 - c, kLanes);
    float* const vector_end = to + ring.columns * kLanes;
    for (int64_t j = 0; j < before; ++j, to += kLanes) store(to, zero());
    if (n == kLanes) {
      for (int64_t j = begin; j < end; ++j, to += kLanes, from += stride) {
        if (kFar) {
          __builtin_prefetch(from + next_row, 0, 2);
          __builtin_prefetch(out + j * call.p.channels + c, 1, 2);
        }
        store(to, function(load(from)));
      }
    } else {
      for (int64_t j = begin; j < end; ++j, to += kLanes, from += stride) store(to, function(load_first(from, n)));
    }
    for (; to < vector_end; to += kLanes) store(to, zero());
  }
}

/// Cuts the channels of `block` into what the ring holds, and calls fn(part, y) for every row y once the rows that it
/// needs are in the ring. The block is at most kWidestBlock columns wide.
template <int K, class T, class F, class Fn>
void for_each_row(const DepthwiseCall<T>& call, const Block& block, const F& function, Ring<K>& ring, Fn&& fn) {
  const int64_t most = Ring<K>::vectors(block.columns()), parts = (block.vectors() + most - 1) / most;
  for (int64_t part = 0; part < parts; ++part) {
    Block now = block;
    now.c0 = block.c0 + block.vectors() * part / parts * kLanes;
    now.c1 = smaller(block.c0 + block.vectors() * (part + 1) / parts * kLanes, block.c1);
    ring.shape(now);
    int64_t filled = larger(now.y0 - K / 2, 0);
    for (int64_t y = now.y0; y < now.y1; ++y) {
      const int64_t needed = smaller(y + K / 2 + 1, call.p.height);
      for (; filled < needed; ++filled) {
        call.far() ? fill_row<true>(call, now, filled, function, ring)
                   : fill_row<false>(call, now, filled, function, ring);
      }
      fn(now, y);
    }
  }
}

/// Calls fn(strip) for vertical strips, at most kWidestBlock columns wide, of the rows and channels of `block`.
template <class F>
void for_each_strip(const DepthwiseProblem& p, Block block, F&& fn) {
  const int64_t strips = (p.width + kWidestBlock - 1) / kWidestBlock;
  for (int64_t strip = 0; strip < strips; ++strip) {
    block.x0 = p.width * strip / strips;
    block.x1 = p.width * (strip + 1) / strips;
    fn(block);
  }
}

/// Calls fn(block) for the share [begin, end) of `chunks` x batch x height rows: strips of whole chunks of channels and
/// at most `rows` rows.
template <class F>
void for_each_block(const DepthwiseProblem& p, int64_t chunks, int64_t rows, int64_t begin, int64_t end, F&& fn) {
  const int64_t vectors = (p.channels + kLanes - 1) / kLanes;
  while (begin < end) {
    const int64_t chunk = begin / (p.batch * p.height), row = begin % (p.batch * p.height);
    Block block{.image = row / p.height, .y0 = row % p.height};
    block.y1 = smaller(p.height, smaller(block.y0 + rows, block.y0 + end - begin));
    block.c0 = vectors * chunk / chunks * kLanes;
    block.c1 = smaller(vectors * (chunk + 1) / chunks * kLanes, p.channels);
    for_each_strip(p, block, fn);
    begin += block.y1 - block.y0;
  }
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
