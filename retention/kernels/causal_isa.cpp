#include <retention/kernels/causal.h>
#include <retention/kernels/simd/causal_chunk.h>
#include <retention/kernels/simd/causal_parallel.h>
#include <retention/kernels/simd/causal_tasks.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

template <class T, class Out>
HeadRetention<T, Out> head_of(const CausalCall<T, Out>& call, int64_t sequence, int64_t head) {
  const CausalProblem& p = call.problem;
  const auto [begin, end] = p.sequences[sequence];
  const auto rows = [&](const auto& x, int64_t dim) {
    return HeadRows<std::remove_reference_t<decltype(*x.data)>>{x.data + begin * x.stride + head * dim, x.stride};
  };
  const int64_t state = (sequence * p.heads + head) * p.key_dim * p.value_dim;
  const auto& [q, k, v, out] = call.tensors;
  return {.q = rows(q, p.key_dim),
          .k = rows(k, p.key_dim),
          .v = rows(v, p.value_dim),
          .out = rows(out, p.value_dim),
          .tokens = end - begin,
          .key_dim = p.key_dim,
          .value_dim = p.value_dim,
          .log_gamma = p.log_gamma[head],
          .key_scale = static_cast<float>(p.scale),
          .query_scale = 1,
          .shift = 0,
          .initial = call.states.initial == nullptr ? nullptr : call.states.initial + state,
          .last = call.states.last == nullptr ? nullptr : call.states.last + state,
          .transposed = false};
}

template <class T, class Out>
void chunkwise(const CausalCall<T, Out>& call) {
  const CausalProblem& p = call.problem;
  const int64_t scratch = CausalScratch(p.key_dim, p.value_dim, p.chunk).floats;
  const int64_t strips = strips_of(p.value_dim);
  ColumnTasks(p, strips, strips, call.threads).run([&](const ColumnTask& task, int64_t worker) {
    const auto head = head_of(call, task.sequence, task.head);
    ChunkwiseHead<T, Out>(head, p.chunk, task.first, task.count, call.workspace + worker * scratch).run();
  });
}

// Calls fn(sequence, head, block) for the blocks of queries of all heads, on threads of about equal work.
template <class F>
void for_each_block(const CausalProblem& p, int threads, F&& fn) {
  const auto blocks = [&](int64_t sequence) {
    return (p.sequences[sequence].end - p.sequences[sequence].begin + kMostRetentionChunk - 1) / kMostRetentionChunk;
  };
  int64_t most = 0;
  for (int64_t s = 0; s < p.sequence_count; ++s) most = larger(most, blocks(s));
  // A short sequence has no work in some of its tasks.
  const auto weight = [&](int64_t task) {
    const int64_t block = task % most;
    return block < blocks(task / most / p.heads) ? static_cast<double>(block + 1) : 0.0;
  };
  const Balance balance(p.sequence_count * p.heads * most, threads, weight);
  balance.run([&](int64_t task, int64_t worker) {
    if (weight(task) > 0) fn(task / most / p.heads, task / most % p.heads, task % most, worker);
  });
}

template <class T, class Out>
void parallel(const CausalCall<T, Out>& call) {
  const CausalProblem& p = call.problem;
  const int64_t scratch = CausalScratch(p.key_dim, p.value_dim, kMostRetentionChunk).floats;
  for_each_block(p, call.threads, [&](int64_t sequence, int64_t head, int64_t block, int64_t worker) {
    ParallelBlock<T, Out>(head_of(call, sequence, head), block, call.workspace + worker * scratch).run();
  });
  if (call.states.last == nullptr) return;
  const int64_t strips = strips_of(p.value_dim);
  ColumnTasks(p, strips, strips, call.threads).run([&](const ColumnTask& task, int64_t worker) {
    auto head = head_of(call, task.sequence, task.head);
    head.out.data = nullptr;
    float* const workspace = call.workspace + worker * scratch;
    ChunkwiseHead<T, Out>(head, kMostRetentionChunk, task.first, task.count, workspace).run();
  });
}

}  // namespace

void causal_parallel(const CausalCall<float, float>& call) { parallel(call); }
void causal_parallel(const CausalCall<bfloat16, float>& call) { parallel(call); }
void causal_parallel(const CausalCall<bfloat16, bfloat16>& call) { parallel(call); }

void causal_chunkwise(const CausalCall<float, float>& call) { chunkwise(call); }
void causal_chunkwise(const CausalCall<bfloat16, float>& call) { chunkwise(call); }
void causal_chunkwise(const CausalCall<bfloat16, bfloat16>& call) { chunkwise(call); }

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
