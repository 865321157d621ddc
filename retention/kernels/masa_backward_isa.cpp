#include <retention/base/parallel_for.h>
#include <retention/kernels/masa_backward.h>
#include <retention/kernels/masa_backward_block.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// A tensor at the first token of one head.
template <class T>
struct Rows {
  T* data;
  int64_t stride;
};

/// The tensors of one head.
struct Head {
  Head(const MasaProblem& p, const MasaGradients& g, int64_t index)
      : q(at(p, g.q, g.strides.q, index)),
        k(at(p, g.k, g.strides.k, index)),
        v(at(p, g.v, g.strides.v, index)),
        dout(at(p, g.dout, g.strides.out, index)),
        dq(at(p, g.dq, g.strides.q, index)),
        dk(at(p, g.dk, g.strides.k, index)),
        dv(at(p, g.dv, g.strides.v, index)) {}

  template <class T>
  static Rows<T> at(const MasaProblem& p, T* tensor, int64_t stride, int64_t index) {
    const int64_t image = index / p.heads, head = index % p.heads;
    return {tensor + image * p.height * p.width * stride + head * p.head_dim, stride};
  }

  Rows<const float> q, k, v, dout;
  Rows<float> dq, dk, dv;
};

struct Call {
  const MasaProblem& p;
  const MasaGradients& g;
  MasaBackwardPlan plan;
  float* workspace;

  Scratch scratch(int worker) const { return Scratch(plan, workspace + worker * plan.worker()); }
  RowShape shape() const { return {p.head_dim, plan.padded_dim}; }
  float k_scale() const { return static_cast<float>(p.k_scale); }

  Attention attention(int64_t head, int64_t keys, bool grid) const {
    return {shape(), keys, g.log_gamma[head % p.heads] * kLog2E, grid, p.decay_mode == DecayMode::paper};
  }

  void gather_keys(const Scratch& s, const Head& head, const Rows<const float>& v, const Line& line,
                   int64_t keys) const {
    gather_turned(shape(), line, 0, keys, g.tables, k_scale(), head.k.data, head.k.stride, s.k);
    gather(shape(), line, 0, keys, v.data, v.stride, s.v);
  }
};

// fn(first, vectors, queries) over blocks of the queries [begin, end) of about equal width.
template <class F>
inline void for_each_block(int64_t begin, int64_t end, F&& fn) {
  const int64_t vectors = (end - begin + kLanes - 1) / kLanes;
  const int64_t blocks = (vectors + kMostVectors - 1) / kMostVectors;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t from = vectors * block / blocks, to = vectors * (block + 1) / blocks;
    const int64_t first = begin + from * kLanes, last = begin + to * kLanes;
    fn(first, static_cast<int>(to - from), (last < end ? last : end) - first);
  }
}

// fn(block) of a block of that many vectors.
template <bool kGrid, class F>
inline void with_block(const Attention& a, const Scratch& s, int64_t first, int vectors, int64_t queries, F&& fn) {
  if (vectors == 1) fn(Block<1, kGrid>(a, s, first, queries));
  if (vectors == 2) fn(Block<2, kGrid>(a, s, first, queries));
  if (vectors == 3) fn(Block<3, kGrid>(a, s, first, queries));
}

// The queries [begin, end) of a line against its keys, which are in the scratch: writes or adds dq, and leaves dk and
// dv, still turned, in the rows given.
template <bool kGrid>
void backward_queries(const Call& call, const Attention& a, const Scratch& s, const Head& head,
                      const Rows<const float>& dout, const Line& line, int64_t begin, int64_t end, float* dk, float* dv,
                      bool add_dq) {
  for_each_block(begin, end, [&](int64_t first, int vectors, int64_t queries) {
    gather_turned(a.shape, line, first, queries, call.g.tables, 1.0f, head.q.data, head.q.stride, s.q);
    gather(a.shape, line, first, queries, dout.data, dout.stride, s.dout);
    with_block<kGrid>(a, s, first, vectors, queries, [&](const auto& block) { block.backward(dk, dv, first > begin); });
    scatter_turned_back(a.shape, line, first, queries, call.g.tables, 1.0f, s.dq, head.dq.data, head.dq.stride, add_dq);
  });
}

void scatter_keys(const Call& call, const Head& head, const float* dk, const float* dv) {
  const Line line = {0, 1};
  const int64_t tokens = call.plan.tokens;
  scatter_turned_back(call.shape(), line, 0, tokens, call.g.tables, call.k_scale(), dk, head.dk.data, head.dk.stride,
                      false);
  scatter(call.shape(), line, 0, tokens, dv, head.dv.data, head.dv.stride);
}

// Adds the gradients of all parts of a head to those of its first.
void add_parts(const MasaBackwardPlan& plan, float* parts) {
  for (int64_t part = 1; part < plan.parts; ++part) {
    const float* other = parts + part * plan.part();
    for (int64_t i = 0; i < plan.part(); i += kLanes) store(parts + i, add(load(parts + i), load(other + i)));
  }
}

// One line of a decomposed head.
struct LinePass {
  const Call& call;
  const Head& head;
  int64_t head_index;
  int64_t keys;

  Attention attention() const { return call.attention(head_index, keys, false); }

  void forward(const Scratch& s, const Line& line, Rows<const float> v, Rows<float> out) const {
    const Attention a = attention();
    call.gather_keys(s, head, v, line, keys);
    for_each_block(0, keys, [&](int64_t first, int vectors, int64_t queries) {
      gather_turned(a.shape, line, first, queries, call.g.tables, 1.0f, head.q.data, head.q.stride, s.q);
      with_block<false>(a, s, first, vectors, queries, [](const auto& block) { block.forward(); });
      scatter(a.shape, line, first, queries, s.dq, out.data, out.stride);
    });
  }

  void backward(const Scratch& s, const Line& line, Rows<const float> v, Rows<const float> dout, Rows<float> dv,
                bool accumulate) const {
    const Attention a = attention();
    call.gather_keys(s, head, v, line, keys);
    backward_queries<false>(call, a, s, head, dout, line, 0, keys, s.dk, s.dv, accumulate);
    scatter_turned_back(a.shape, line, 0, keys, call.g.tables, call.k_scale(), s.dk, head.dk.data, head.dk.stride,
                        accumulate);
    scatter(a.shape, line, 0, keys, s.dv, dv.data, dv.stride);
  }
};

// out = A_h (A_w v): the row pass again, then backwards through the columns and through the rows. `worker` is added
// to that of each line.
void decomposed_head(const Call& call, int64_t index, float* between, int worker, int threads) {
  const MasaProblem& p = call.p;
  const Head head(p, call.g, index);
  const int64_t dim = call.plan.padded_dim;
  const Rows<float> values = {between, dim}, dvalues = {between + call.plan.tokens * dim, dim};
  const LinePass row = {call, head, index, p.width}, column = {call, head, index, p.height};
  parallel_for(p.height, threads, [&](int64_t begin, int64_t end, int inner) {
    const Scratch s = call.scratch(worker + inner);
    for (int64_t h = begin; h < end; ++h) row.forward(s, {h * p.width, 1}, head.v, values);
  });
  parallel_for(p.width, threads, [&](int64_t begin, int64_t end, int inner) {
    const Scratch s = call.scratch(worker + inner);
    for (int64_t w = begin; w < end; ++w) {
      column.backward(s, {w, p.width}, {values.data, dim}, head.dout, dvalues, false);
    }
  });
  parallel_for(p.height, threads, [&](int64_t begin, int64_t end, int inner) {
    const Scratch s = call.scratch(worker + inner);
    for (int64_t h = begin; h < end; ++h) {
      row.backward(s, {h * p.width, 1}, head.v, {dvalues.data, dim}, head.dv, true);
    }
  });
}

}  // namespace

void masa_backward_f32(const MasaProblem& p, const MasaGradients& g, float* workspace, int threads) {
  const Call call = {p, g, MasaBackwardPlan(p, false), workspace};
  const MasaBackwardPlan& plan = call.plan;
  float* parts = workspace + threads * plan.worker();
  parallel_for(plan.heads * plan.parts, threads, [&](int64_t begin, int64_t end, int worker) {
    Scratch s = call.scratch(worker);
    s.set_coordinates(plan.tokens, p.width);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t index = task / plan.parts, part = task % plan.parts;
      const Head head(p, g, index);
      float* dk = plan.parts > 1 ? parts + task * plan.part() : s.dk;
      float* dv = plan.parts > 1 ? dk + plan.key_rows() : s.dv;
      call.gather_keys(s, head, head.v, {0, 1}, plan.tokens);
      backward_queries<true>(call, call.attention(index, plan.tokens, true), s, head, head.dout, {0, 1},
                             plan.tokens * part / plan.parts, plan.tokens * (part + 1) / plan.parts, dk, dv, false);
      if (plan.parts == 1) scatter_keys(call, head, dk, dv);
    }
  });
  if (plan.parts == 1) return;
  parallel_for(plan.heads, threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t index = begin; index < end; ++index) {
      float* first = parts + index * plan.parts * plan.part();
      add_parts(plan, first);
      scatter_keys(call, Head(p, g, index), first, first + plan.key_rows());
    }
  });
}

void masa_decomposed_backward_f32(const MasaProblem& p, const MasaGradients& g, float* workspace, int threads) {
  const Call call = {p, g, MasaBackwardPlan(p, true), workspace};
  const MasaBackwardPlan& plan = call.plan;
  for (int worker = 0; worker < threads; ++worker) call.scratch(worker).set_coordinates(plan.keys, plan.keys);
  float* between = workspace + threads * plan.worker();
  // Heads in parallel where that keeps all threads busy, else the lines of one head after the other.
  if (plan.heads % threads == 0 || plan.heads >= 4 * threads) {
    parallel_for(plan.heads, threads, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t i = begin; i < end; ++i) decomposed_head(call, i, between + worker * plan.between(), worker, 1);
    });
  } else {
    for (int64_t i = 0; i < plan.heads; ++i) decomposed_head(call, i, between, 0, threads);
  }
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
