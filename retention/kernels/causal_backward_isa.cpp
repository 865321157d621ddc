#include <retention/kernels/causal_backward.h>
#include <retention/kernels/simd/causal_chunk.h>
#include <retention/kernels/simd/causal_tasks.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

using Head = HeadRetention<float, float>;

// One head of one sequence.
class HeadGradients {
 public:
  HeadGradients(const CausalBackwardCall& call, int64_t sequence, int64_t head)
      : p_(call.problem),
        g_(call.gradients),
        range_(p_.sequences[sequence]),
        head_(head),
        state_((sequence * p_.heads + head) * p_.key_dim * p_.value_dim),
        scale_(static_cast<float>(p_.scale)) {}

  // dq_n = S_n dout_n: the states turned round, in order.
  Head queries() const {
    return {.q = values(g_.dout),
            .k = values(g_.v),
            .v = keys(g_.k),
            .out = keys(g_.dq),
            .tokens = tokens(),
            .key_dim = p_.value_dim,
            .value_dim = p_.key_dim,
            .log_gamma = p_.log_gamma[head_],
            .key_scale = scale_,
            .query_scale = 1,
            .shift = 0,
            .initial = state(g_.initial),
            .last = nullptr,
            .transposed = true};
  }

  // dS_n = gamma dS_(n+1) + q_n^T dout_n, dv_n = scale k_n dS_n; what precedes the first token is dinitial.
  Head gradient_values() const {
    return {.q = backwards(keys(g_.k)),
            .k = backwards(keys(g_.q)),
            .v = backwards(values(g_.dout)),
            .out = backwards(values(g_.dv)),
            .tokens = tokens(),
            .key_dim = p_.key_dim,
            .value_dim = p_.value_dim,
            .log_gamma = p_.log_gamma[head_],
            .key_scale = 1,
            .query_scale = scale_,
            .shift = 1,
            .initial = state(g_.dlast),
            .last = state(g_.dinitial),
            .transposed = false};
  }

  // dk_n = scale dS_n v_n.
  Head gradient_keys() const {
    return {.q = backwards(values(g_.v)),
            .k = backwards(values(g_.dout)),
            .v = backwards(keys(g_.q)),
            .out = backwards(keys(g_.dk)),
            .tokens = tokens(),
            .key_dim = p_.value_dim,
            .value_dim = p_.key_dim,
            .log_gamma = p_.log_gamma[head_],
            .key_scale = 1,
            .query_scale = scale_,
            .shift = 1,
            .initial = state(g_.dlast),
            .last = nullptr,
            .transposed = true};
  }

 private:
  int64_t tokens() const { return range_.end - range_.begin; }

  template <class T>
  HeadRows<T> keys(const TokenRows<T>& x) const {
    return {x.data + range_.begin * x.stride + head_ * p_.key_dim, x.stride};
  }
  template <class T>
  HeadRows<T> values(const TokenRows<T>& x) const {
    return {x.data + range_.begin * x.stride + head_ * p_.value_dim, x.stride};
  }
  template <class T>
  HeadRows<T> backwards(const HeadRows<T>& x) const {
    return {tokens() > 0 ? x.at(tokens() - 1) : x.data, -x.stride};
  }
  template <class T>
  T* state(T* states) const {
    return states == nullptr ? nullptr : states + state_;
  }

  const CausalProblem& p_;
  const CausalGradients<float>& g_;
  TokenRange range_;
  int64_t head_, state_;
  float scale_;
};

// Works through one of the three retentions of all heads.
void run_all(const CausalBackwardCall& call, int64_t columns, Head (HeadGradients::*part)() const) {
  const int64_t strips = strips_of(columns), chunk = call.problem.chunk;
  const int64_t scratch = causal_backward_floats(call.problem);
  ColumnTasks(call.problem, strips, strips, call.threads).run([&](const ColumnTask& task, int64_t worker) {
    const Head head = (HeadGradients(call, task.sequence, task.head).*part)();
    ChunkwiseHead<float, float>(head, chunk, task.first, task.count, call.workspace + worker * scratch).run();
  });
}

}  // namespace

void causal_backward(const CausalBackwardCall& call) {
  run_all(call, call.problem.key_dim, &HeadGradients::queries);
  run_all(call, call.problem.value_dim, &HeadGradients::gradient_values);
  run_all(call, call.problem.key_dim, &HeadGradients::gradient_keys);
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
