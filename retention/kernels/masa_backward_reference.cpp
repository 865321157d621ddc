#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <vector>

#include <retention/kernels/masa_backward_reference.h>

namespace retentive::retention {
namespace {

using Distance = std::function<int64_t(int64_t query, int64_t key)>;

// x [batch, height, width, heads, head_dim] scaled and turned by `sign` times the phase of its token.
std::vector<double> turn(const MasaProblem& p, const double* x, double scale, double sign, const float* angle) {
  const int64_t tokens = p.height * p.width;
  std::vector<double> out(p.batch * tokens * p.heads * p.head_dim);
  for (size_t at = 0; at < out.size(); at += 2) {
    const int64_t c = at % p.head_dim;
    const int64_t t = at / (p.heads * p.head_dim) % tokens;
    const double phase = sign * (static_cast<float>(t) * angle[c]);
    out[at] = scale * (x[at] * std::cos(phase) - x[at + 1] * std::sin(phase));
    out[at + 1] = scale * (x[at + 1] * std::cos(phase) + x[at] * std::sin(phase));
  }
  return out;
}

// The tokens of one attention: `count` from `start` on, `stride` apart, of one head.
struct Group {
  int64_t head, start, stride, count;
  double log_gamma;
  Distance distance;
};

struct Attention {
  Attention(const MasaProblem& problem, const Group& group, const std::vector<double>& queries,
            const std::vector<double>& keys)
      : p(problem), g(group), q(queries), k(keys), softmax(g.count * g.count), decay(g.count * g.count, 1.0) {
    for (int64_t i = 0; i < g.count; ++i) {
      double* weights = &softmax[i * g.count];
      for (int64_t j = 0; j < g.count; ++j) {
        const double log_decay = g.distance(i, j) * g.log_gamma;
        weights[j] = dot(q.data(), i, k.data(), j) + (p.decay_mode == DecayMode::release ? log_decay : 0.0);
        if (p.decay_mode == DecayMode::paper) decay[i * g.count + j] = std::exp(log_decay);
      }
      const double peak = *std::max_element(weights, weights + g.count);
      double sum = 0;
      for (int64_t j = 0; j < g.count; ++j) sum += (weights[j] = std::exp(weights[j] - peak));
      for (int64_t j = 0; j < g.count; ++j) weights[j] /= sum;
    }
  }

  int64_t at(int64_t i) const { return ((g.start + i * g.stride) * p.heads + g.head) * p.head_dim; }

  double dot(const double* a, int64_t i, const double* b, int64_t j) const {
    double sum = 0;
    for (int64_t c = 0; c < p.head_dim; ++c) sum += a[at(i) + c] * b[at(j) + c];
    return sum;
  }

  // to_i += factor * from_j
  void add(double* to, int64_t i, double factor, const double* from, int64_t j) const {
    for (int64_t c = 0; c < p.head_dim; ++c) to[at(i) + c] += factor * from[at(j) + c];
  }

  void forward(const double* v, double* out) const {
    for (int64_t i = 0; i < g.count; ++i) {
      for (int64_t j = 0; j < g.count; ++j) {
        add(out, i, softmax[i * g.count + j] * decay[i * g.count + j], v, j);
      }
    }
  }

  void backward(const double* v, const double* dout, double* dq, double* dk, double* dv) const {
    for (int64_t i = 0; i < g.count; ++i) {
      std::vector<double> dsoftmax(g.count);
      double mean = 0;
      for (int64_t j = 0; j < g.count; ++j) {
        const double weight = softmax[i * g.count + j];
        add(dv, j, weight * decay[i * g.count + j], dout, i);
        dsoftmax[j] = dot(dout, i, v, j) * decay[i * g.count + j];
        mean += weight * dsoftmax[j];
      }
      for (int64_t j = 0; j < g.count; ++j) {
        const double dscore = softmax[i * g.count + j] * (dsoftmax[j] - mean);
        add(dq, i, dscore, k.data(), j);
        add(dk, j, dscore, q.data(), i);
      }
    }
  }

  const MasaProblem& p;
  const Group& g;
  const std::vector<double>&q, &k;
  std::vector<double> softmax, decay;
};

using Groups = std::vector<Group>;

Groups grid_groups(const MasaProblem& p, const float* log_gamma) {
  const int64_t tokens = p.height * p.width, width = p.width;
  Groups groups;
  for (int64_t task = 0; task < p.batch * p.heads; ++task) {
    const int64_t head = task % p.heads;
    groups.push_back({head, task / p.heads * tokens, 1, tokens, log_gamma[head], [width](int64_t i, int64_t j) {
                        return std::abs(i / width - j / width) + std::abs(i % width - j % width);
                      }});
  }
  return groups;
}

Groups axis_groups(const MasaProblem& p, const float* log_gamma, bool rows) {
  const int64_t tokens = p.height * p.width;
  Groups groups;
  for (int64_t task = 0; task < p.batch * p.heads; ++task) {
    const int64_t head = task % p.heads, image = task / p.heads * tokens;
    for (int64_t line = 0; line < (rows ? p.height : p.width); ++line) {
      groups.push_back({head, image + line * (rows ? p.width : 1), rows ? 1 : p.width, rows ? p.width : p.height,
                        log_gamma[head], [](int64_t i, int64_t j) { return std::abs(i - j); }});
    }
  }
  return groups;
}

void turn_back(const MasaProblem& p, const float* angle, double* dq, double* dk) {
  const auto q = turn(p, dq, 1.0, -1.0, angle), k = turn(p, dk, p.k_scale, -1.0, angle);
  std::copy(q.begin(), q.end(), dq);
  std::copy(k.begin(), k.end(), dk);
}

}  // namespace

void masa_backward_reference(const MasaProblem& p, const double* q, const double* k, const double* v,
                             const float* log_gamma, const float* angle, const double* dout, double* dq, double* dk,
                             double* dv) {
  const auto q_turned = turn(p, q, 1.0, 1.0, angle), k_turned = turn(p, k, p.k_scale, 1.0, angle);
  for (double* gradient : {dq, dk, dv}) std::fill_n(gradient, q_turned.size(), 0.0);
  for (const Group& group : grid_groups(p, log_gamma)) {
    Attention(p, group, q_turned, k_turned).backward(v, dout, dq, dk, dv);
  }
  turn_back(p, angle, dq, dk);
}

void masa_decomposed_backward_reference(const MasaProblem& p, const double* q, const double* k, const double* v,
                                        const float* log_gamma, const float* angle, const double* dout, double* dq,
                                        double* dk, double* dv) {
  const auto q_turned = turn(p, q, 1.0, 1.0, angle), k_turned = turn(p, k, p.k_scale, 1.0, angle);
  for (double* gradient : {dq, dk, dv}) std::fill_n(gradient, q_turned.size(), 0.0);
  std::vector<double> rows_done(q_turned.size()), drows_done(q_turned.size());
  const Groups rows = axis_groups(p, log_gamma, true);
  for (const Group& group : rows) Attention(p, group, q_turned, k_turned).forward(v, rows_done.data());
  for (const Group& group : axis_groups(p, log_gamma, false)) {
    Attention(p, group, q_turned, k_turned).backward(rows_done.data(), dout, dq, dk, drows_done.data());
  }
  for (const Group& group : rows) {
    Attention(p, group, q_turned, k_turned).backward(v, drows_done.data(), dq, dk, dv);
  }
  turn_back(p, angle, dq, dk);
}

}  // namespace retentive::retention
