#include <retention/base/parallel_for.h>
#include <retention/kernels/few_rows.h>
#include <retention/kernels/simd/linear_writer.h>

#if defined(__AVX512F__)

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

constexpr int kVectors = kPanelWidth / kLanes;
constexpr int kTogether = 4;    // rows whose sums are in registers at once
constexpr int64_t kDepth = 64;  // words of the inputs whose weights stay in L1 for the next rows
using Sums = float[kFewRows][kPanelWidth];

/// A word of inputs in each lane: `dot` adds its products with a vector of words of weights.
struct FloatWords {
  static constexpr int64_t kPack = 1;
  static Floats input(Floats word) { return word; }
  static Floats dot(Floats sum, Floats x, Floats w) { return fmadd(x, w, sum); }
};

#if defined(__AVX512BF16__)
struct Bfloat16Words {
  static constexpr int64_t kPack = 2;
  static Floats input(Floats word) { return word; }
  static Floats dot(Floats sum, Floats x, Floats w) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
  }
};
#endif

/// Sums are int32. The instruction takes one operand without sign: 128 is added to the inputs.
struct Int8Words {
  static constexpr int64_t kPack = 4;
  static Floats input(Floats word) {
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(word), _mm512_set1_epi8(-128)));
  }
  static Floats dot(Floats sum, Floats x, Floats w) {
    return _mm512_castsi512_ps(
        _mm512_dpbusd_epi32(_mm512_castps_si512(sum), _mm512_castps_si512(x), _mm512_castps_si512(w)));
  }
};

inline Floats broadcast_word(const char* from) {
  int32_t word;
  __builtin_memcpy(&word, from, sizeof(word));
  return _mm512_castsi512_ps(_mm512_set1_epi32(word));
}

/// Weights that a multiplication asks memory for on its way: so many cache lines from `next` on for each word.
struct Ahead {
  const float* next;
  int64_t lines;
};

/// sums += the products of `depth` words of `rows` rows, `stride` bytes apart, with those of a panel.
template <class Words, int rows>
void multiply(float (*sums)[kPanelWidth], const char* x, int64_t stride, const float* w, int64_t depth, Ahead ahead) {
  Floats sum[rows][kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = load(sums[r] + v * kLanes);
  }
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t i = 0; i < ahead.lines; ++i, ahead.next += kLanes) _mm_prefetch(ahead.next, _MM_HINT_T0);
    Floats column[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) column[v] = load(w + k * kPanelWidth + v * kLanes);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const Floats input = Words::input(broadcast_word(x + r * stride + k * 4));
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = Words::dot(sum[r][v], input, column[v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(sums[r] + v * kLanes, sum[r][v]);
  }
}

template <class Words>
void multiply_rows(int64_t rows, Sums& sums, const char* x, int64_t stride, const float* w, int64_t depth) {
  // Rows that find the weights in L1 leave memory idle: together they fetch the next chunk. So do the short panels of
  // int8; a single row of floats keeps up with what the processor fetches by itself.
  const bool ask = rows > 1 || Words::kPack == 4;
  const int64_t turns = (rows + kTogether - 1) / kTogether, lines = ask ? (kVectors + turns - 1) / turns : 0;
  Ahead ahead{w + depth * kPanelWidth, lines};
  int64_t r = 0;
  for (; r + kTogether <= rows; r += kTogether, ahead.next += lines * kLanes * depth) {
    multiply<Words, kTogether>(sums + r, x + r * stride, stride, w, depth, ahead);
  }
  if (rows - r == 3) multiply<Words, 3>(sums + r, x + r * stride, stride, w, depth, ahead);
  if (rows - r == 2) multiply<Words, 2>(sums + r, x + r * stride, stride, w, depth, ahead);
  if (rows - r == 1) multiply<Words, 1>(sums + r, x + r * stride, stride, w, depth, ahead);
}

/// The sums of one panel, in the order of the inputs.
template <class Words>
void sum_panel(int64_t rows, int64_t in, const char* x, const float* w, Sums& sums) {
  constexpr int64_t bytes = 4 / Words::kPack;
  const int64_t stride = in * bytes, whole = in / Words::kPack, rest = in % Words::kPack;
  for (int64_t r = 0; r < rows; ++r) fill(sums[r], sums[r] + kPanelWidth, 0.0f);
  for (int64_t k = 0; k < whole; k += kDepth) {
    multiply_rows<Words>(rows, sums, x + k * 4, stride, w + k * kPanelWidth, smaller(kDepth, whole - k));
  }
  if (rest == 0) return;
  char last[kFewRows][4] = {};  // the weights beyond are zeros, but a zero times NaN is not
  for (int64_t r = 0; r < rows; ++r) __builtin_memcpy(last[r], x + r * stride + whole * 4, rest * bytes);
  multiply_rows<Words>(rows, sums, last[0], 4, w + whole * kPanelWidth, 1);
}

/// Calls finish(sums, begin, end) for the outputs [begin, end) of every panel.
template <class Words, class Finish>
void for_each_panel(const FewRowsProblem& p, const void* x, int threads, const Finish& finish) {
  const PanelWeights& w = p.weights;
  parallel_for((w.out + kPanelWidth - 1) / kPanelWidth, threads, [&](int64_t begin, int64_t end, int) {
    alignas(64) Sums sums;
    for (int64_t panel = begin; panel < end; ++panel) {
      sum_panel<Words>(p.rows, w.in, static_cast<const char*>(x), w.words + panel * w.panel_stride, sums);
      finish(sums, panel * kPanelWidth, smaller((panel + 1) * kPanelWidth, w.out));
    }
  });
}

template <class Words>
void run_floats(const FewRowsProblem& p, const void* x, const LinearOutput& y, int threads) {
  const LinearWriter writer{y, p.weights.out};
  for_each_panel<Words>(p, x, threads, [&](const Sums& sums, int64_t begin, int64_t end) {
    writer.write(0, p.rows, begin, end, [&](int64_t row, int64_t c, int64_t) { return load(sums[row] + c - begin); });
  });
}

}  // namespace

void few_rows_f32(const FewRowsProblem& p, const void* x, const LinearOutput& y, int threads) {
  run_floats<FloatWords>(p, x, y, threads);
}

#if defined(__AVX512BF16__)
void few_rows_bf16(const FewRowsProblem& p, const void* x, const LinearOutput& y, int threads) {
  run_floats<Bfloat16Words>(p, x, y, threads);
}
#endif

void few_rows_int8(const FewRowsProblem& p, const void* x, const LinearOutput& y, int threads) {
  const LinearWriter writer{y, p.weights.out};
  for_each_panel<Int8Words>(p, x, threads, [&](const Sums& sums, int64_t begin, int64_t end) {
    writer.write(0, p.rows, begin, end, [&](int64_t row, int64_t c, int64_t n) {
      const __m512i offset = _mm512_maskz_loadu_epi32(first_lanes(n), p.scales.compensation + c);
      const __m512i sum = _mm512_add_epi32(_mm512_castps_si512(load(sums[row] + c - begin)), offset);
      return mul(mul(_mm512_cvtepi32_ps(sum), load_first(p.scales.outputs + c, n)), broadcast(p.scales.rows[row]));
    });
  });
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA

#endif
