#include <algorithm>
#include <cmath>
#include <vector>

#include <retention/kernels/causal_reference.h>

namespace retentive::retention {
namespace {

// One head of one sequence: pointers to its first token.
template <class T>
struct HeadView {
  const T* q;
  const T* k;
  const T* v;
  T* out;
  int64_t tokens;
  T log_gamma;
  T scale;
};

template <class T>
T dot(const T* a, const T* b, int64_t count) {
  T sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// Calls fn(head view, state), the state holding the initial one and kept afterwards.
template <class T, class F>
void for_each_head(const CausalProblem& p, const CausalTensors<T, T>& t, const CausalStates<T>& states, F&& fn) {
  const int64_t size = p.key_dim * p.value_dim;
  std::vector<T> state(size);
  for (int64_t s = 0; s < p.sequence_count; ++s) {
    const auto [begin, end] = p.sequences[s];
    for (int64_t h = 0; h < p.heads; ++h) {
      const int64_t at = (s * p.heads + h) * size;
      std::fill(state.begin(), state.end(), T(0));
      if (states.initial != nullptr) std::copy_n(states.initial + at, size, state.begin());
      const HeadView<T> head = {t.q.data + begin * t.q.stride + h * p.key_dim,
                                t.k.data + begin * t.k.stride + h * p.key_dim,
                                t.v.data + begin * t.v.stride + h * p.value_dim,
                                t.out.data + begin * t.out.stride + h * p.value_dim,
                                end - begin,
                                static_cast<T>(p.log_gamma[h]),
                                static_cast<T>(p.scale)};
      fn(head, state);
      if (states.last != nullptr) std::copy(state.begin(), state.end(), states.last + at);
    }
  }
}

// Tokens [begin, end) among each other, on top of `state`, which advances to after them.
template <class T>
void attend(const CausalProblem& p, const CausalTensors<T, T>& t, const HeadView<T>& head, int64_t begin, int64_t end,
            std::vector<T>& state) {
  for (int64_t n = begin; n < end; ++n) {
    const T* q = head.q + n * t.q.stride;
    T* out = head.out + n * t.out.stride;
    const T carried = std::exp(static_cast<T>(n - begin + 1) * head.log_gamma);
    for (int64_t c = 0; c < p.value_dim; ++c) {
      T sum = 0;
      for (int64_t d = 0; d < p.key_dim; ++d) sum += q[d] * state[d * p.value_dim + c];
      out[c] = carried * sum;
    }
    for (int64_t m = begin; m <= n; ++m) {
      const T decay = std::exp(static_cast<T>(n - m) * head.log_gamma);
      const T weight = decay * head.scale * dot(q, head.k + m * t.k.stride, p.key_dim);
      for (int64_t c = 0; c < p.value_dim; ++c) out[c] += weight * head.v[m * t.v.stride + c];
    }
  }
  const T carried = std::exp(static_cast<T>(end - begin) * head.log_gamma);
  for (T& value : state) value *= carried;
  for (int64_t m = begin; m < end; ++m) {
    const T decay = head.scale * std::exp(static_cast<T>(end - 1 - m) * head.log_gamma);
    for (int64_t d = 0; d < p.key_dim; ++d) {
      for (int64_t c = 0; c < p.value_dim; ++c) {
        state[d * p.value_dim + c] += decay * head.k[m * t.k.stride + d] * head.v[m * t.v.stride + c];
      }
    }
  }
}

}  // namespace

template <class T>
void retention_parallel_reference(const CausalProblem& p, const CausalTensors<T, T>& t, const CausalStates<T>& states) {
  for_each_head(p, t, states,
                [&](const HeadView<T>& head, std::vector<T>& state) { attend(p, t, head, 0, head.tokens, state); });
}

template <class T>
void retention_chunkwise_reference(const CausalProblem& p, const CausalTensors<T, T>& t,
                                   const CausalStates<T>& states) {
  for_each_head(p, t, states, [&](const HeadView<T>& head, std::vector<T>& state) {
    const int64_t chunk = p.chunk > 0 ? p.chunk : std::max<int64_t>(head.tokens, 1);
    for (int64_t begin = 0; begin < head.tokens; begin += chunk) {
      attend(p, t, head, begin, std::min(begin + chunk, head.tokens), state);
    }
  });
}

template <class T>
void retention_recurrent_reference(const CausalProblem& p, const CausalTensors<T, T>& t,
                                   const CausalStates<T>& states) {
  for_each_head(p, t, states, [&](const HeadView<T>& head, std::vector<T>& state) {
    const T gamma = std::exp(head.log_gamma);
    for (int64_t n = 0; n < head.tokens; ++n) {
      const T *q = head.q + n * t.q.stride, *k = head.k + n * t.k.stride, *v = head.v + n * t.v.stride;
      T* out = head.out + n * t.out.stride;
      std::fill_n(out, p.value_dim, T(0));
      for (int64_t d = 0; d < p.key_dim; ++d) {
        for (int64_t c = 0; c < p.value_dim; ++c) {
          T& value = state[d * p.value_dim + c];
          value = gamma * value + head.scale * k[d] * v[c];
          out[c] += q[d] * value;
        }
      }
    }
  });
}

namespace {

// dq_n = S_n dout_n.
template <class T>
void query_gradient(const CausalProblem& p, const CausalGradients<T>& g, int64_t sequence, int64_t h) {
  std::vector<T> state(p.key_dim * p.value_dim, T(0));
  if (g.initial != nullptr)
    std::copy_n(g.initial + (sequence * p.heads + h) * state.size(), state.size(), state.begin());
  const T gamma = std::exp(static_cast<T>(p.log_gamma[h])), scale = static_cast<T>(p.scale);
  for (int64_t n = p.sequences[sequence].begin; n < p.sequences[sequence].end; ++n) {
    const T* k = g.k.data + n * g.k.stride + h * p.key_dim;
    const T* v = g.v.data + n * g.v.stride + h * p.value_dim;
    const T* dout = g.dout.data + n * g.dout.stride + h * p.value_dim;
    T* dq = g.dq.data + n * g.dq.stride + h * p.key_dim;
    for (int64_t d = 0; d < p.key_dim; ++d) {
      T* row = state.data() + d * p.value_dim;
      for (int64_t c = 0; c < p.value_dim; ++c) row[c] = gamma * row[c] + scale * k[d] * v[c];
      dq[d] = dot(row, dout, p.value_dim);
    }
  }
}

// With dS_n the gradient of S_n: dS_n = gamma dS_(n+1) + q_n^T dout_n, dk_n = scale dS_n v_n, dv_n = scale k_n dS_n.
template <class T>
void key_value_gradient(const CausalProblem& p, const CausalGradients<T>& g, int64_t sequence, int64_t h) {
  std::vector<T> dstate(p.key_dim * p.value_dim, T(0));
  const auto at = (sequence * p.heads + h) * static_cast<int64_t>(dstate.size());
  if (g.dlast != nullptr) std::copy_n(g.dlast + at, dstate.size(), dstate.begin());
  const T gamma = std::exp(static_cast<T>(p.log_gamma[h])), scale = static_cast<T>(p.scale);
  for (int64_t n = p.sequences[sequence].end; n-- > p.sequences[sequence].begin;) {
    const T* q = g.q.data + n * g.q.stride + h * p.key_dim;
    const T* k = g.k.data + n * g.k.stride + h * p.key_dim;
    const T* v = g.v.data + n * g.v.stride + h * p.value_dim;
    const T* dout = g.dout.data + n * g.dout.stride + h * p.value_dim;
    T* dk = g.dk.data + n * g.dk.stride + h * p.key_dim;
    T* dv = g.dv.data + n * g.dv.stride + h * p.value_dim;
    std::fill_n(dv, p.value_dim, T(0));
    for (int64_t d = 0; d < p.key_dim; ++d) {
      T* row = dstate.data() + d * p.value_dim;
      for (int64_t c = 0; c < p.value_dim; ++c) row[c] += q[d] * dout[c];
      dk[d] = scale * dot(row, v, p.value_dim);
      for (int64_t c = 0; c < p.value_dim; ++c) dv[c] += scale * k[d] * row[c];
      for (int64_t c = 0; c < p.value_dim; ++c) row[c] *= gamma;
    }
  }
  if (g.dinitial != nullptr) std::copy(dstate.begin(), dstate.end(), g.dinitial + at);
}

}  // namespace

template <class T>
void retention_backward_reference(const CausalProblem& p, const CausalGradients<T>& g) {
  for (int64_t sequence = 0; sequence < p.sequence_count; ++sequence) {
    for (int64_t h = 0; h < p.heads; ++h) {
      query_gradient(p, g, sequence, h);
      key_value_gradient(p, g, sequence, h);
    }
  }
}

#define RETENTIVE_CAUSAL_REFERENCE(T)                                                              \
  template void retention_parallel_reference<T>(const CausalProblem&, const CausalTensors<T, T>&,  \
                                                const CausalStates<T>&);                           \
  template void retention_recurrent_reference<T>(const CausalProblem&, const CausalTensors<T, T>&, \
                                                 const CausalStates<T>&);                          \
  template void retention_chunkwise_reference<T>(const CausalProblem&, const CausalTensors<T, T>&, \
                                                 const CausalStates<T>&);                          \
  template void retention_backward_reference<T>(const CausalProblem&, const CausalGradients<T>&);
RETENTIVE_CAUSAL_REFERENCE(float)
RETENTIVE_CAUSAL_REFERENCE(double)
#undef RETENTIVE_CAUSAL_REFERENCE

}  // namespace retentive::retention
