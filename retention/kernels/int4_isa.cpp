#include <retention/base/parallel_for.h>
#include <retention/kernels/int4.h>
#include <retention/kernels/int4_fit.h>
#include <retention/kernels/quantize.h>
#include <retention/kernels/simd/int4_words.h>
#include <retention/kernels/simd/linear_writer.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

constexpr int64_t kBlockRows = 64;            // rows that the codes of a panel are in L1 for
constexpr int64_t kChunkGroups = 8;           // groups whose codes stay in L1 for the next rows
constexpr int64_t kParallelInputs = 1 << 16;  // fewer inputs are quantised faster than threads start

/// Rows of x as int8 by groups: values [rows, groups * kInt4Group]; scales and offsets [rows, groups].
struct Inputs {
  int64_t groups;
  int8_t* values;
  float* scales;
  int32_t* offsets;  // what the products with shifted levels are too large by, negated

  Inputs(const Int4Problem& p, void* scratch)
      : groups(p.weights.groups()),
        values(static_cast<int8_t*>(scratch)),
        scales(reinterpret_cast<float*>(values + p.rows * groups * kInt4Group)),
        offsets(reinterpret_cast<int32_t*>(scales + p.rows * groups)) {}

  void quantise_row(const float* x, int64_t in, int64_t row) const {
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t count = smaller(kInt4Group, in - g * kInt4Group);
      const float* const from = x + row * in + g * kInt4Group;
      const auto part = [=](int64_t i) {
        const int64_t n = clamped(count - i, 0, kLanes);
        return n == kLanes ? load(from + i) : load_first(from + i, n);
      };
      Floats most = zero();
      for (int64_t i = 0; i < kInt4Group; i += kLanes) most = max(most, abs(part(i)));
      const float size = largest(most);
      const bool nothing = !(size > kSmallestQuantized);
      const Floats factor = broadcast(nothing ? 0.0f : 127 / size);
      int8_t* const to = values + (row * groups + g) * kInt4Group;
      Floats total = zero();
      for (int64_t i = 0; i < kInt4Group; i += kLanes) {
        const Floats whole = round(mul(part(i), factor));
        total = add(total, whole);
        store(to + i, whole);
      }
      const float all = sum(total);
      const bool finite = all == all;  // of a value that is not finite there is NaN left, which the scale passes on
      scales[row * groups + g] = !finite ? all : nothing ? 0.0f : size / 127;
      offsets[row * groups + g] = finite ? -kLevelShift * static_cast<int32_t>(all) : 0;
    }
  }
};

/// Rows and vectors of outputs whose sums are in registers at once.
template <int kTileRows>
struct Tile {
  static constexpr int kRows = kTileRows;
  static constexpr int kVectors = tile_vectors(kTileRows);
  static constexpr int kStrips = kInt4Panel / (kVectors * kLanes);
  using Sums = Floats[kRows][kVectors];

  /// Adds scales times the products of group g of rows `row`... with the outputs of a strip, `group` being its codes.
  [[gnu::always_inline]] static void add_group(Sums& totals, const Inputs& x, int64_t row, int64_t g,
                                               const uint8_t* group, int strip, const Levels& levels) {
    Ints sums[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] = broadcast_int(x.offsets + (row + r) * x.groups + g);
    }
#pragma GCC unroll 4
    for (int pair = 0; pair < kInt4Group / 8; ++pair) {
      Ints column[2][kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const int64_t output = (strip * kVectors + v) * kLanes;
        const int64_t at = kInt4Panel * 2 + output / 16 * 256 + pair * 64 + output % 16 * 4;
        levels.look_up(group + at, column[0][v], column[1][v]);
      }
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const int8_t* const quad = x.values + ((row + r) * x.groups + g) * kInt4Group + pair * 8 + half * 4;
          const Ints input = broadcast_int(quad);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sums[r][v] = add_products(sums[r][v], column[half][v], input);
        }
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Floats scale = load(reinterpret_cast<const bfloat16*>(group) + (strip * kVectors + v) * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Floats both = mul(scale, broadcast(x.scales[(row + r) * x.groups + g]));
        totals[r][v] = fmadd(to_floats(sums[r][v]), both, totals[r][v]);
      }
    }
  }
};

using Totals = float[kBlockRows][kInt4Panel];

/// Some groups of a panel, and the codes that a tile asks memory for on its way: so many cache lines for each group.
struct Chunk {
  const uint8_t* panel;
  int64_t begin, end;
  const uint8_t* next;
  int64_t lines;
};

/// The products of a chunk for the rows of a tile from row + first on into `all`.
template <class T>
void add_tile(Totals& all, int64_t first, const Inputs& x, int64_t row, Chunk& chunk, const Levels& levels) {
  for (int strip = 0; strip < T::kStrips; ++strip) {
    const auto each = [&](auto&& fn) {
#pragma GCC unroll 8
      for (int r = 0; r < T::kRows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < T::kVectors; ++v) fn(r, v, all[first + r] + (strip * T::kVectors + v) * kLanes);
      }
    };
    typename T::Sums totals;
    each([&](int r, int v, const float* from) { totals[r][v] = load(from); });
    for (int64_t g = chunk.begin; g < chunk.end; ++g) {
      for (int64_t i = 0; i < chunk.lines; ++i, chunk.next += 64) _mm_prefetch(chunk.next, _MM_HINT_T0);
      T::add_group(totals, x, row + first, g, chunk.panel + g * kInt4GroupBytes, strip, levels);
    }
    each([&](int r, int v, float* to) { store(to, totals[r][v]); });
  }
}

/// add_tile for the last `rows` rows, fewer than kTogether.
template <int kMost = kTogether - 1>
void add_rest(int64_t rows, Totals& all, int64_t first, const Inputs& x, int64_t row, Chunk& chunk,
              const Levels& levels) {
  if (rows == kMost) return add_tile<Tile<kMost>>(all, first, x, row, chunk, levels);
  if constexpr (kMost > 1) add_rest<kMost - 1>(rows, all, first, x, row, chunk, levels);
}

/// The totals of rows [row, row + rows) for a panel.
void sum_panel(const uint8_t* panel, const Inputs& x, int64_t row, int64_t rows, const Levels& levels, Totals& all) {
  for (int64_t r = 0; r < rows; ++r) fill(all[r], all[r] + kInt4Panel, 0.0f);
  // Rows that find the codes in L1 leave memory idle: together they fetch the next chunk.
  const int64_t whole = rows / kTogether * kTogether, rest = rows - whole;
  const int64_t turns =
      whole / kTogether * Tile<kTogether>::kStrips + (rest > 0 ? kInt4Panel / (tile_vectors(rest) * kLanes) : 0);
  const int64_t lines = (kInt4GroupBytes / 64 + turns - 1) / turns;
  for (int64_t begin = 0; begin < x.groups; begin += kChunkGroups) {
    const int64_t end = smaller(begin + kChunkGroups, x.groups);
    Chunk chunk{panel, begin, end, panel + end * kInt4GroupBytes, lines};
    for (int64_t r = 0; r < whole; r += kTogether) add_tile<Tile<kTogether>>(all, r, x, row, chunk, levels);
    add_rest(rest, all, whole, x, row, chunk, levels);
  }
}

}  // namespace

void int4_pack_any(const Int4Weights& weights, const float* weight, uint8_t* values, int threads) {
  int4_pack_all(weights, weight, values, threads);
}

void int4_linear_any(const Int4Problem& p, const float* x, const LinearOutput& y, void* scratch, int threads) {
  const Inputs inputs(p, scratch);
  const Int4Weights& w = p.weights;
  parallel_for(p.rows, p.rows * w.in < kParallelInputs ? 1 : threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) inputs.quantise_row(x, w.in, row);
  });
  const LinearWriter writer{y, w.out};
  const int64_t blocks = (p.rows + kBlockRows - 1) / kBlockRows;
  parallel_for(w.panels() * blocks, threads, [&](int64_t begin, int64_t end, int) {
    const Levels levels;
    alignas(64) Totals totals;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t panel = task / blocks, row = task % blocks * kBlockRows;
      const int64_t rows = smaller(kBlockRows, p.rows - row), first = panel * kInt4Panel;
      sum_panel(w.values + panel * w.groups() * kInt4GroupBytes, inputs, row, rows, levels, totals);
      writer.write(row, rows, first, smaller(first + kInt4Panel, w.out),
                   [&](int64_t r, int64_t c, int64_t) { return load(totals[r] + c - first); });
    }
  });
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
