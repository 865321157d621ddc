#include <retention/base/parallel_for.h>
#include <retention/kernels/masa.h>
#include <retention/kernels/simd/masa_strip.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Decays along the line itself.
struct AxisDecay {
  const float* table;
  int64_t reach;

  void rows(int64_t first, int count, int64_t key, int64_t, const float** rows) const {
    for (int r = 0; r < count; ++r) rows[r] = table + reach - 1 - (first + r) + key;
  }
};

/// Heads of the lines of one pass; `line` is that of line 0, the lines of a batch entry are `next` tokens apart.
template <class Words, int64_t head_dim, class T>
void attend_lines(const MasaCall<T>& call, const TokenLine<T>& line, int64_t lines, int64_t next) {
  const MasaProblem& p = call.problem;
  const MasaScratch scratch = masa_decomposed_scratch(p);
  const float scale = static_cast<float>(p.k_scale) * kLog2E;
  float* threads = call.workspace + p.heads * masa_axis_floats(p);
  parallel_for(p.batch * lines * p.heads, call.threads, [&](int64_t begin, int64_t end, int worker) {
    const MasaBuffers buffers(threads + worker * scratch.floats, scratch);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t head = task % p.heads, index = task / p.heads % lines, batch = task / p.heads / lines;
      const int64_t tokens = batch * p.height * p.width, channel = head * p.head_dim;
      const AxisDecay decay{call.workspace + head * masa_axis_floats(p), masa_axis_reach(p)};
      MasaStrip<HeadSizes<Words, head_dim>, T, AxisDecay> strip{
          {p.head_dim}, line, decay, p.decay_mode == DecayMode::paper, scale};
      strip.line.q += tokens * line.strides.q + channel;
      strip.line.k += tokens * line.strides.k + channel;
      strip.line.v += tokens * line.strides.v + channel;
      strip.line.out += tokens * line.strides.out + channel;
      strip.line.first = index * next;
      pack_strip<Words>(strip, buffers);
      attend_queries<Words>(strip, buffers, 0, line.count);
    }
  });
}

template <class Words, int64_t head_dim, class T>
void decomposed(const MasaCall<T>& call) {
  const MasaProblem& p = call.problem;
  fill_axis_tables(p, call.log_gamma, call.workspace);
  TokenLine<T> line{call.q, call.k, call.v, call.out, call.strides, call.tables, 0, 1, p.width};
  attend_lines<Words, head_dim>(call, line, p.height, p.width);
  // The result of the rows is the value of the columns, in place: a column's values are packed before it is written.
  line.v = call.out;
  line.strides.v = call.strides.out;
  line.step = p.width;
  line.count = p.height;
  attend_lines<Words, head_dim>(call, line, p.width, 1);
}

template <class Words, class T>
void decomposed_of_size(const MasaCall<T>& call) {
  if (call.problem.head_dim == 16) return decomposed<Words, 16>(call);
  if (call.problem.head_dim == 32) return decomposed<Words, 32>(call);
  decomposed<Words, 0>(call);
}

}  // namespace

void masa_decomposed_f32(const MasaCall<float>& call) { decomposed_of_size<FloatWords>(call); }

void masa_decomposed_bf16(const MasaCall<bfloat16>& call) { decomposed_of_size<WordsOfBfloat16>(call); }

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
