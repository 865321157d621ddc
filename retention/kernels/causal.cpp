#include <algorithm>

#include <retention/base/retention_cost.h>
#include <retention/kernels/causal.h>
#include <retention/kernels/causal_plan.h>

namespace retentive::retention {
namespace {

template <class T, class Out>
using Entry = void (*)(const CausalCall<T, Out>&);
template <class T, class Out>
using StepEntry = void (*)(const CausalStepCall<T, Out>&);

#define RETENTIVE_ROW_NAME(isa) {Isa::isa, #isa},
#define RETENTIVE_ROW_PARALLEL(isa) {Isa::isa, isa::causal_parallel},
#define RETENTIVE_ROW_CHUNKWISE(isa) {Isa::isa, isa::causal_chunkwise},
#define RETENTIVE_ROW_RECURRENT(isa) {Isa::isa, isa::causal_recurrent},
#define RETENTIVE_ROW_STEP(isa) {Isa::isa, isa::causal_step},
constexpr Implementation<const char*> kNames[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_NAME)};
template <class T, class Out>
constexpr Implementation<Entry<T, Out>> kParallel[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_PARALLEL)};
template <class T, class Out>
constexpr Implementation<Entry<T, Out>> kChunkwise[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_CHUNKWISE)};
template <class T, class Out>
constexpr Implementation<Entry<T, Out>> kRecurrent[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_RECURRENT)};
template <class T, class Out>
constexpr Implementation<StepEntry<T, Out>> kStep[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_STEP)};

int64_t thread_bytes(int64_t floats, int threads) {
  return std::max(threads, 1) * floats * static_cast<int64_t>(sizeof(float));
}

template <class T, class Out>
bool call(Entry<T, Out> run, const CausalProblem& p, const CausalTensors<T, Out>& tensors,
          const CausalStates<float>& states, void* workspace, int threads) {
  if (run != nullptr) run({p, tensors, states, static_cast<float*>(workspace), std::max(threads, 1)});
  return run != nullptr;
}

}  // namespace

const char* causal_implementation(std::vector<Declined>* declined) { return choose(kNames, declined); }

int64_t retention_parallel_workspace_bytes(const CausalProblem& p, int threads) {
  return thread_bytes(CausalScratch(p.key_dim, p.value_dim, kMostRetentionChunk).floats, threads);
}

int64_t retention_chunkwise_workspace_bytes(const CausalProblem& p, int threads) {
  return thread_bytes(CausalScratch(p.key_dim, p.value_dim, retention_chunk(p.chunk, p.key_dim, p.value_dim)).floats,
                      threads);
}

int64_t retention_recurrent_workspace_bytes(const CausalProblem& p, int threads) {
  return thread_bytes(p.key_dim * causal_round_up(p.value_dim), threads);
}

template <class T, class Out>
bool retention_parallel(const CausalProblem& p, const CausalTensors<T, Out>& tensors, const CausalStates<float>& states,
                        void* workspace, int threads) {
  static const auto run = choose(kParallel<T, Out>);
  return call(run, p, tensors, states, workspace, threads);
}

template <class T, class Out>
bool retention_chunkwise(const CausalProblem& p, const CausalTensors<T, Out>& tensors,
                         const CausalStates<float>& states, void* workspace, int threads) {
  static const auto run = choose(kChunkwise<T, Out>);
  auto settled = p;
  settled.chunk = retention_chunk(p.chunk, p.key_dim, p.value_dim);
  return call(run, settled, tensors, states, workspace, threads);
}

template <class T, class Out>
bool retention_recurrent(const CausalProblem& p, const CausalTensors<T, Out>& tensors,
                         const CausalStates<float>& states, void* workspace, int threads) {
  static const auto run = choose(kRecurrent<T, Out>);
  return call(run, p, tensors, states, workspace, threads);
}

template <class T, class Out>
bool retention_step(const CausalProblem& p, const CausalTensors<T, Out>& tensors, float* const* states, int64_t rows,
                    int threads) {
  static const auto run = choose(kStep<T, Out>);
  if (run != nullptr) run({p, tensors, states, rows, std::max(threads, 1)});
  return run != nullptr;
}

#define RETENTIVE_CAUSAL_FORM(name, T, Out)                                                                         \
  template bool name<T, Out>(const CausalProblem&, const CausalTensors<T, Out>&, const CausalStates<float>&, void*, \
                             int);
#define RETENTIVE_CAUSAL(T, Out)                     \
  RETENTIVE_CAUSAL_FORM(retention_parallel, T, Out)  \
  RETENTIVE_CAUSAL_FORM(retention_chunkwise, T, Out) \
  RETENTIVE_CAUSAL_FORM(retention_recurrent, T, Out) \
  template bool retention_step<T, Out>(const CausalProblem&, const CausalTensors<T, Out>&, float* const*, int64_t, int);
RETENTIVE_CAUSAL(float, float)
RETENTIVE_CAUSAL(bfloat16, float)
RETENTIVE_CAUSAL(bfloat16, bfloat16)
#undef RETENTIVE_CAUSAL
#undef RETENTIVE_CAUSAL_FORM

}  // namespace retentive::retention
