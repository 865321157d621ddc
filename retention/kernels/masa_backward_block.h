#pragma once

#include <cmath>

#include <retention/kernels/masa_backward_plan.h>
#include <retention/kernels/masa_backward_rows.h>
#include <retention/kernels/masa_backward_tile.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// One attention of `keys` keys; weights stand transposed, [keys][queries of a block], so that sums over keys need no
/// horizontal additions.
struct Attention {
  RowShape shape;
  int64_t keys;
  /// Base-2 logarithm of gamma.
  float slope;
  /// Distances are along two axes, not one.
  bool grid;
  bool paper;
};

/// Memory of one worker, see MasaBackwardPlan.
struct Scratch {
  explicit Scratch(const MasaBackwardPlan& plan, float* memory) {
    const auto take = [&](int64_t count) {
      float* taken = memory;
      memory += count;
      return taken;
    };
    for (float** rows : {&k, &v, &dk, &dv}) *rows = take(plan.key_rows());
    for (float** rows : {&weights, &dweights}) *rows = take(plan.weights());
    for (float** rows : {&q, &dout, &dq}) *rows = take(plan.block_rows());
    for (float** rows : {&q_columns, &dout_columns}) *rows = take(plan.padded_dim * plan.kBlock);
    for (float** rows : {&y, &x}) *rows = take(plan.coordinates());
    inverse = take(plan.kBlock);
  }

  /// Of the tokens of a grid `width` wide, raster order.
  void set_coordinates(int64_t count, int64_t width) {
    for (int64_t i = 0; i < count; ++i) {
      y[i] = static_cast<float>(i / width);
      x[i] = static_cast<float>(i % width);
    }
  }

  float *k, *v, *dk, *dv;
  float *weights, *dweights;
  float *q, *dout, *dq;
  float *q_columns, *dout_columns;
  float *y, *x;
  float* inverse;
};

template <int V>
struct Lanes {
  explicit Lanes(Floats value) {
    for (Floats& part : vector) part = value;
  }
  Floats vector[V];
};

// The distances of the queries from `first` on to each key.
template <int V, bool kGrid>
struct Distances {
  Distances(const Scratch& scratch, int64_t first) : s(scratch), x(zero()), y(zero()) {
    for (int v = 0; v < V; ++v) {
      x.vector[v] = load(s.x + first + v * kLanes);
      if (kGrid) y.vector[v] = load(s.y + first + v * kLanes);
    }
  }
  Floats to(int64_t key, int v) const {
    const Floats along = abs(sub(x.vector[v], broadcast(s.x[key])));
    return kGrid ? add(along, abs(sub(y.vector[v], broadcast(s.y[key])))) : along;
  }
  const Scratch& s;
  Lanes<V> x, y;
};

// Adds the decay to scores and takes their maximum per query.
template <int V, bool kGrid>
void decay_scores(const Attention& a, const Scratch& s, int64_t first, int64_t begin, int64_t end, Lanes<V>& peak) {
  const Distances<V, kGrid> distances(s, first);
  const Floats slope = broadcast(a.paper ? 0.0f : a.slope);
  Lanes<V> most = peak;
  for (int64_t j = begin; j < end; ++j) {
    for (int v = 0; v < V; ++v) {
      float* at = s.weights + (j * V + v) * kLanes;
      const Floats score = fmadd(slope, distances.to(j, v), load(at));
      store(at, score);
      most.vector[v] = max(most.vector[v], score);
    }
  }
  peak = most;
}

// Scores to their powers of two, not yet divided by their sum.
template <int V>
void exponentiate(const Scratch& s, int64_t begin, int64_t end, const Lanes<V>& peak, Lanes<V>& total) {
  Lanes<V> partial = total;
  for (int64_t j = begin; j < end; ++j) {
    for (int v = 0; v < V; ++v) {
      float* at = s.weights + (j * V + v) * kLanes;
      const Floats power = exp2(sub(load(at), peak.vector[v]));
      store(at, power);
      partial.vector[v] = add(partial.vector[v], power);
    }
  }
  total = partial;
}

// fn(weights, their gradients, decay) at every weight.
template <int V, bool kGrid, class F>
inline void for_each_decayed(const Attention& a, const Scratch& s, int64_t first, int64_t begin, int64_t end, F&& fn) {
  const Distances<V, kGrid> distances(s, first);
  const Floats slope = broadcast(a.slope);
  for (int64_t j = begin; j < end; ++j) {
    for (int v = 0; v < V; ++v) {
      const int64_t at = (j * V + v) * kLanes;
      fn(s.weights + at, s.dweights + at, v, exp2(mul(slope, distances.to(j, v))));
    }
  }
}

// fn(first, end) over the keys, a few at a time so that their weights stay in the first-level cache. Whole tiles of
// rows of any height that best_height picks: none but the last part writes beyond itself.
template <class F>
inline void for_each_part(int64_t keys, F&& fn) {
  constexpr int64_t kPart = 56;
  for (int64_t begin = 0; begin < keys; begin += kPart) fn(begin, begin + kPart < keys ? begin + kPart : keys);
}

/// The queries [first, first + queries) of a line, whose rows are in the scratch, against all keys.
template <int V, bool kGrid>
struct Block {
  static constexpr int kWidth = V * kLanes;

  Block(const Attention& attention, const Scratch& scratch, int64_t start, int64_t count)
      : a(attention), s(scratch), first(start), queries(count), dim(a.shape.padded_dim) {
    transpose_rows(a.shape, s.q, kWidth, kLog2E, s.q_columns, kWidth);
  }

  // to[j][i] = row j . column i for keys [begin, end).
  void keys_times_queries(const float* rows, const float* columns, int64_t begin, int64_t end, float* to) const {
    const Product product = {rows + begin * dim, dim,  1, columns, kWidth, to + begin * kWidth, kWidth, end - begin, V,
                             a.shape.head_dim,   false};
    if (dim == 16) return multiply<16, 1>(product);
    if (dim == 32) return multiply<32, 1>(product);
    multiply<0, 1>(product);
  }

  // dq (+)= weights^T rows.
  void sum_keys(const float* weights, const float* rows, int64_t begin, int64_t end) const {
    multiply<1, kWidth>({weights + begin * kWidth, 1, kWidth, rows + begin * dim, dim, s.dq, dim, queries,
                         static_cast<int>(dim / kLanes), end - begin, begin > 0});
  }

  // to (+)= weights rows.
  void sum_queries(const float* weights, const float* rows, int64_t begin, int64_t end, float* to,
                   bool accumulate) const {
    multiply<kWidth, 1>({weights + begin * kWidth, kWidth, 1, rows, dim, to + begin * dim, dim, end - begin,
                         static_cast<int>(dim / kLanes), queries, accumulate});
  }

  Lanes<V> scores() const {
    Lanes<V> peak(broadcast(-INFINITY));
    for_each_part(a.keys, [&](int64_t begin, int64_t end) {
      keys_times_queries(s.k, s.q_columns, begin, end, s.weights);
      decay_scores<V, kGrid>(a, s, first, begin, end, peak);
    });
    return peak;
  }

  void scale_rows(float* rows, const Lanes<V>& inverse) const {
    for (int v = 0; v < V; ++v) store(s.inverse + v * kLanes, inverse.vector[v]);
    for (int64_t i = 0; i < queries; ++i, rows += dim) {
      const Floats factor = broadcast(s.inverse[i]);
      for (int64_t c = 0; c < dim; c += kLanes) store(rows + c, mul(load(rows + c), factor));
    }
  }

  /// The attended values into s.dq.
  void forward() const {
    const Lanes<V> peak = scores();
    Lanes<V> total(zero());
    for_each_part(a.keys, [&](int64_t begin, int64_t end) {
      exponentiate(s, begin, end, peak, total);
      if (a.paper) {
        for_each_decayed<V, kGrid>(a, s, first, begin, end, [&](float* weight, float*, int, Floats decay) {
          store(weight, mul(load(weight), decay));
        });
      }
      sum_keys(s.weights, s.v, begin, end);
    });
    for (Floats& part : total.vector) part = div(broadcast(1.0f), part);
    scale_rows(s.dq, total);
  }

  // Adds to `mean` the sum of weight * gradient of each query.
  void add_mean(int64_t begin, int64_t end, Lanes<V>& mean) const {
    Lanes<V> partial = mean;
    if (a.paper) {
      for_each_decayed<V, kGrid>(a, s, first, begin, end, [&](float* weight, float* gradient, int v, Floats decay) {
        const Floats product = mul(mul(load(weight), decay), load(gradient));
        store(gradient, product);
        partial.vector[v] = add(partial.vector[v], product);
      });
    } else {
      for (int64_t j = begin; j < end; ++j) {
        for (int v = 0; v < V; ++v) {
          const int64_t at = (j * V + v) * kLanes;
          partial.vector[v] = fmadd(load(s.weights + at), load(s.dweights + at), partial.vector[v]);
        }
      }
    }
    mean = partial;
  }

  // Gradients of weights to those of scores.
  void score_gradients(int64_t begin, int64_t end, const Lanes<V>& inverse, const Lanes<V>& mean) const {
    const Lanes<V> factor = inverse, shift = mean;
    if (a.paper) {
      for_each_decayed<V, kGrid>(a, s, first, begin, end, [&](float* weight, float* gradient, int v, Floats decay) {
        const Floats w = load(weight);
        store(gradient, fnmadd(w, shift.vector[v], mul(load(gradient), factor.vector[v])));
        store(weight, mul(w, decay));
      });
      return;
    }
    for (int64_t j = begin; j < end; ++j) {
      for (int v = 0; v < V; ++v) {
        const int64_t at = (j * V + v) * kLanes;
        const Floats centred = sub(mul(load(s.dweights + at), factor.vector[v]), shift.vector[v]);
        store(s.dweights + at, mul(load(s.weights + at), centred));
      }
    }
  }

  /// dq into s.dq; the parts of dk and dv into those rows, or added to them.
  void backward(float* dk, float* dv, bool accumulate) const {
    transpose_rows(a.shape, s.dout, kWidth, 1.0f, s.dout_columns, kWidth);
    const Lanes<V> peak = scores();
    Lanes<V> inverse(zero()), mean(zero());
    for_each_part(a.keys, [&](int64_t begin, int64_t end) {
      exponentiate(s, begin, end, peak, inverse);
      keys_times_queries(s.v, s.dout_columns, begin, end, s.dweights);
      add_mean(begin, end, mean);
    });
    for (int v = 0; v < V; ++v) {
      const Floats reciprocal = div(broadcast(1.0f), inverse.vector[v]);
      inverse.vector[v] = reciprocal;
      mean.vector[v] = mul(mul(mean.vector[v], reciprocal), reciprocal);
    }
    scale_rows(s.dout, inverse);
    for_each_part(a.keys, [&](int64_t begin, int64_t end) {
      score_gradients(begin, end, inverse, mean);
      sum_queries(s.weights, s.dout, begin, end, dv, accumulate);
      sum_queries(s.dweights, s.q, begin, end, dk, accumulate);
      sum_keys(s.dweights, s.k, begin, end);
    });
  }

  const Attention& a;
  const Scratch& s;
  int64_t first;
  int64_t queries;
  int64_t dim;
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
