#include <retention/kernels/causal.h>
#include <retention/kernels/decay.h>
#include <retention/kernels/simd/causal_step.h>
#include <retention/kernels/simd/causal_tasks.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

// State that keeps a thread busy for longer than it takes to wake it.
constexpr int64_t kThreadFloats = 65536;

// A task's operands at one token.
template <class T, class Out>
void step_token(const CausalProblem& p, const CausalTensors<T, Out>& t, const ColumnTask& task, int64_t token,
                const StateColumns& columns) {
  const int64_t key = task.head * p.key_dim, value = task.head * p.value_dim + task.first * kLanes;
  columns.step(t.q.data + token * t.q.stride + key, t.k.data + token * t.k.stride + key,
               t.v.data + token * t.v.stride + value, t.out.data + token * t.out.stride + value);
}

StateColumns columns_of(const CausalProblem& p, const ColumnTask& task, float* state, int64_t stride) {
  const int64_t columns = smaller(task.count * kLanes, p.value_dim - task.first * kLanes);
  return {state, stride, p.key_dim, columns, gamma_power(p.log_gamma[task.head], 1), static_cast<float>(p.scale)};
}

template <class T, class Out>
void step_rows(const CausalStepCall<T, Out>& call) {
  CausalProblem p = call.problem;
  p.sequences = nullptr;
  p.sequence_count = call.rows;
  const int64_t floats = call.rows * p.heads * p.key_dim * p.value_dim;
  const auto threads = static_cast<int>(smaller(call.threads, floats / kThreadFloats + 1));
  const ColumnTasks tasks(p, strips_of(p.value_dim), kStepColumns / kLanes, threads);
  tasks.run([&](const ColumnTask& task, int64_t) {
    float* const state = call.states[task.sequence] + task.head * p.key_dim * p.value_dim + task.first * kLanes;
    step_token(p, call.tensors, task, task.sequence, columns_of(p, task, state, p.value_dim));
  });
}

// `count` floats of each of `rows` rows, or zeros.
void copy_rows(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t rows, int64_t count) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < count; ++c) to[r * to_stride + c] = from == nullptr ? 0.0f : from[r * from_stride + c];
  }
}

template <class T, class Out>
void recurrent(const CausalCall<T, Out>& call) {
  const CausalProblem& p = call.problem;
  const int64_t width = causal_round_up(p.value_dim);
  const ColumnTasks tasks(p, strips_of(p.value_dim), kStepColumns / kLanes, call.threads);
  tasks.run([&](const ColumnTask& task, int64_t worker) {
    const StateColumns columns =
        columns_of(p, task, call.workspace + worker * p.key_dim * width, causal_round_up(task.count * kLanes));
    const int64_t at = (task.sequence * p.heads + task.head) * p.key_dim * p.value_dim + task.first * kLanes;
    const float* const initial = call.states.initial == nullptr ? nullptr : call.states.initial + at;
    copy_rows(initial, p.value_dim, columns.state, columns.stride, p.key_dim, columns.columns);
    const auto [begin, end] = p.sequences[task.sequence];
    for (int64_t token = begin; token < end; ++token) step_token(p, call.tensors, task, token, columns);
    if (call.states.last == nullptr) return;
    copy_rows(columns.state, columns.stride, call.states.last + at, p.value_dim, p.key_dim, columns.columns);
  });
}

}  // namespace

void causal_step(const CausalStepCall<float, float>& call) { step_rows(call); }
void causal_step(const CausalStepCall<bfloat16, float>& call) { step_rows(call); }
void causal_step(const CausalStepCall<bfloat16, bfloat16>& call) { step_rows(call); }

void causal_recurrent(const CausalCall<float, float>& call) { recurrent(call); }
void causal_recurrent(const CausalCall<bfloat16, float>& call) { recurrent(call); }
void causal_recurrent(const CausalCall<bfloat16, bfloat16>& call) { recurrent(call); }

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
