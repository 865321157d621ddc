#include <retention/base/parallel_for.h>
#include <retention/kernels/masa.h>
#include <retention/kernels/simd/masa_strip.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Manhattan decays of one head. Small grids have them in a table: for each column of the grid, those to all positions
/// up to height - 1 rows above and below, in raster order, in which a query's keys are one run. For others the rows of
/// a tile are filled in.
struct GridDecay {
  const float* axis;
  int64_t height, width, reach;
  bool added, table;
  float* decay;

  Floats join(Floats a, Floats b) const { return added ? add(a, b) : mul(a, b); }

  /// Decays of the keys [key, key + count) at least, seen from (h, w), h and the keys' rows relative to each other.
  void fill(int64_t h, int64_t w, int64_t key, int64_t count, float* to) const {
    int64_t row = key / width, column = key % width;
    for (int64_t at = 0; at < count; ++row, column = 0) {
      const int64_t distance = masa_smaller(row > h ? row - h : h - row, reach - 1);
      const Floats vertical = broadcast(axis[reach - 1 + distance]);
      const float* horizontal = axis + reach - 1 - w + column;
      const int64_t end = masa_smaller(at + width - column, count);
      for (; at < end; at += kLanes, horizontal += kLanes) store(to + at, join(vertical, load(horizontal)));
      at = end;
    }
  }

  void fill_table() const {
    if (!table) return;
    const int64_t run = (2 * height - 1) * width;
    for (int64_t w = 0; w < width; ++w) fill(height - 1, w, 0, run, decay + w * run);
    for (int64_t i = 0; i < kMasaPanel; ++i) decay[width * run + i] = 0.0f;
  }

  void rows(int64_t first, int count, int64_t key, int64_t keys, const float** rows) const {
    for (int r = 0; r < count; ++r) {
      const int64_t h = (first + r) / width, w = (first + r) % width;
      if (table) {
        rows[r] = decay + w * (2 * height - 1) * width + (height - 1 - h) * width + key;
      } else {
        fill(h, w, key, masa_round_up(keys, kPanel), decay + r * kMasaRowStride);
        rows[r] = decay + r * kMasaRowStride;
      }
    }
  }
};

template <class Words, int64_t head_dim, class T>
auto full_strip(const MasaCall<T>& call, const MasaBuffers& buffers, int64_t batch, int64_t head) {
  const MasaProblem& p = call.problem;
  const int64_t tokens = p.height * p.width, channel = head * p.head_dim;
  const MasaStrides& strides = call.strides;
  const TokenLine<T> line{call.q + batch * tokens * strides.q + channel,
                          call.k + batch * tokens * strides.k + channel,
                          call.v + batch * tokens * strides.v + channel,
                          call.out + batch * tokens * strides.out + channel,
                          strides,
                          call.tables,
                          0,
                          1,
                          tokens};
  const bool paper = p.decay_mode == DecayMode::paper;
  const float* axis = call.workspace + head * masa_axis_floats(p);
  const GridDecay decay{axis, p.height, p.width, masa_axis_reach(p), !paper, masa_has_grid_table(p), buffers.decay};
  return MasaStrip<HeadSizes<Words, head_dim>, T, GridDecay>{
      {p.head_dim}, line, decay, paper, static_cast<float>(p.k_scale) * kLog2E};
}

template <class Words, int64_t head_dim, class T>
void full(const MasaCall<T>& call) {
  const MasaProblem& p = call.problem;
  const MasaScratch scratch = masa_full_scratch(p);
  const int64_t tokens = p.height * p.width, blocks = (tokens + kMasaQueryBlock - 1) / kMasaQueryBlock;
  fill_axis_tables(p, call.log_gamma, call.workspace);
  float* threads = call.workspace + p.heads * masa_axis_floats(p);
  parallel_for(p.batch * p.heads * blocks, call.threads, [&](int64_t begin, int64_t end, int worker) {
    const MasaBuffers buffers(threads + worker * scratch.floats, scratch);
    for (int64_t task = begin; task < end;) {
      const int64_t head = task / blocks, first = task % blocks;
      const int64_t last = masa_smaller(blocks, first + end - task);
      auto strip = full_strip<Words, head_dim>(call, buffers, head / p.heads, head % p.heads);
      strip.decay.fill_table();
      pack_strip<Words>(strip, buffers);
      attend_queries<Words>(strip, buffers, first * kMasaQueryBlock, masa_smaller(last * kMasaQueryBlock, tokens));
      task += last - first;
    }
  });
}

template <class Words, class T>
void full_of_size(const MasaCall<T>& call) {
  if (call.problem.head_dim == 16) return full<Words, 16>(call);
  if (call.problem.head_dim == 32) return full<Words, 32>(call);
  full<Words, 0>(call);
}

}  // namespace

void masa_full_f32(const MasaCall<float>& call) { full_of_size<FloatWords>(call); }

void masa_full_bf16(const MasaCall<bfloat16>& call) { full_of_size<WordsOfBfloat16>(call); }

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
