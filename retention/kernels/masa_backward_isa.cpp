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

// The queries [begin, end) of a head against all its keys: writes dq, and leaves dk and dv, still turned, in the rows
// given.
void backward_queries(const Call& call, const Attention& a, Scratch& s, const Head& head, int64_t begin, int64_t end,
                      float* dk, float* dv) {
  const Line line = {0, 1};
  const MasaTables& tables = call.g.tables;
  gather_turned(a.shape, line, 0, a.keys, tables, call.k_scale(), head.k.data, head.k.stride, s.k);
  gather(a.shape, line, 0, a.keys, head.v.data, head.v.stride, s.v);
  for_each_block(begin, end, [&](int64_t first, int vectors, int64_t queries) {
    gather_turned(a.shape, line, first, queries, tables, 1.0f, head.q.data, head.q.stride, s.q);
    gather(a.shape, line, first, queries, head.dout.data, head.dout.stride, s.dout);
    with_block<true>(a, s, first, vectors, queries, [&](const auto& block) { block.backward(dk, dv, first > begin); });
    scatter_turned_back(a.shape, line, first, queries, tables, 1.0f, s.dq, nullptr, head.dq.data, head.dq.stride);
  });
}

void scatter_keys(const Call& call, const Head& head, const float* dk, const float* dv) {
  const Line line = {0, 1};
  const int64_t tokens = call.plan.tokens;
  scatter_turned_back(call.shape(), line, 0, tokens, call.g.tables, call.k_scale(), dk, nullptr, head.dk.data,
                      head.dk.stride);
  scatter(call.shape(), line, 0, tokens, dv, head.dv.data, head.dv.stride);
}

// Adds the gradients of all parts of a head to those of its first.
void add_parts(const MasaBackwardPlan& plan, float* parts) {
  for (int64_t part = 1; part < plan.parts; ++part) {
    const float* other = parts + part * plan.part();
    for (int64_t i = 0; i < plan.part(); i += kLanes) store(parts + i, add(load(parts + i), load(other + i)));
  }
}

// A decomposed head, out = A_h (A_w v). Its tensors are packed head by head so that columns are near each other; a
// column's gradients take the place of what only that column has read.
struct DecomposedHead {
  DecomposedHead(const Call& whole, int64_t index, float* memory)
      : call(whole),
        head(call.p, call.g, index),
        row(call.attention(index, call.p.width, false)),
        column(call.attention(index, call.p.height, false)),
        dim(call.plan.padded_dim) {
    for (float** rows : {&q, &k, &values, &dout, &dk}) {
      *rows = memory;
      memory += call.plan.head_rows();
    }
  }

  // Packs row `h` and attends along it. Blocks read beyond their last row, so they work on copies: what is there
  // belongs to another line.
  void forward_row(const Scratch& s, int64_t h) const {
    const Line line = {h * call.p.width, 1};
    gather_turned(row.shape, line, 0, row.keys, call.g.tables, call.k_scale(), head.k.data, head.k.stride, s.k);
    scatter(row.shape, line, 0, row.keys, s.k, k, dim);
    gather(row.shape, line, 0, row.keys, head.dout.data, head.dout.stride, dout + line.start * dim);
    gather(row.shape, line, 0, row.keys, head.v.data, head.v.stride, s.v);
    for_each_block(0, row.keys, [&](int64_t first, int vectors, int64_t queries) {
      gather_turned(row.shape, line, first, queries, call.g.tables, 1.0f, head.q.data, head.q.stride, s.q);
      scatter(row.shape, line, first, queries, s.q, q, dim);
      with_block<false>(row, s, first, vectors, queries, [](const auto& block) { block.forward(); });
      scatter(row.shape, line, first, queries, s.dq, values, dim);
    });
  }

  // Leaves the gradients of the attended values in `values`, those of q in `dout`.
  void backward_column(const Scratch& s, int64_t w) const {
    const Line line = {w, call.p.width};
    gather(column.shape, line, 0, column.keys, k, dim, s.k);
    gather(column.shape, line, 0, column.keys, values, dim, s.v);
    for_each_block(0, column.keys, [&](int64_t first, int vectors, int64_t queries) {
      gather(column.shape, line, first, queries, q, dim, s.q);
      gather(column.shape, line, first, queries, dout, dim, s.dout);
      with_block<false>(column, s, first, vectors, queries,
                        [&](const auto& block) { block.backward(s.dk, s.dv, first > 0); });
      scatter(column.shape, line, first, queries, s.dq, dout, dim);
    });
    scatter(column.shape, line, 0, column.keys, s.dk, dk, dim);
    scatter(column.shape, line, 0, column.keys, s.dv, values, dim);
  }

  void backward_row(const Scratch& s, int64_t h) const {
    const Line line = {h * call.p.width, 1};
    gather(row.shape, line, 0, row.keys, k, dim, s.k);
    gather(row.shape, line, 0, row.keys, head.v.data, head.v.stride, s.v);
    for_each_block(0, row.keys, [&](int64_t first, int vectors, int64_t queries) {
      gather(row.shape, line, first, queries, q, dim, s.q);
      gather(row.shape, line, first, queries, values, dim, s.dout);
      with_block<false>(row, s, first, vectors, queries,
                        [&](const auto& block) { block.backward(s.dk, s.dv, first > 0); });
      scatter_turned_back(row.shape, line, first, queries, call.g.tables, 1.0f, s.dq, dout + (line.start + first) * dim,
                          head.dq.data, head.dq.stride);
    });
    scatter_turned_back(row.shape, line, 0, row.keys, call.g.tables, call.k_scale(), s.dk, dk + line.start * dim,
                        head.dk.data, head.dk.stride);
    scatter(row.shape, line, 0, row.keys, s.dv, head.dv.data, head.dv.stride);
  }

  // On `threads` threads, of which the first is `worker`.
  void run(int worker, int threads) const {
    const auto lines = [&](int64_t count, auto&& pass) {
      parallel_for(count, threads, [&](int64_t begin, int64_t end, int inner) {
        const Scratch s = call.scratch(worker + inner);
        for (int64_t i = begin; i < end; ++i) pass(s, i);
      });
    };
    lines(call.p.height, [&](const Scratch& s, int64_t h) { forward_row(s, h); });
    lines(call.p.width, [&](const Scratch& s, int64_t w) { backward_column(s, w); });
    lines(call.p.height, [&](const Scratch& s, int64_t h) { backward_row(s, h); });
  }

  const Call& call;
  Head head;
  Attention row, column;
  int64_t dim;
  float *q, *k, *values, *dout, *dk;
};

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
      backward_queries(call, call.attention(index, plan.tokens, true), s, head, plan.tokens * part / plan.parts,
                       plan.tokens * (part + 1) / plan.parts, dk, dv);
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
      for (int64_t i = begin; i < end; ++i) {
        DecomposedHead(call, i, between + worker * plan.between()).run(worker, 1);
      }
    });
  } else {
    for (int64_t i = 0; i < plan.heads; ++i) DecomposedHead(call, i, between).run(0, threads);
  }
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
