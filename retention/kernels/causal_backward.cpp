#include <algorithm>

#include <retention/base/retention_cost.h>
#include <retention/kernels/causal_backward.h>
#include <retention/kernels/causal_plan.h>
#include <retention/kernels/implementation.h>

namespace retentive::retention {
namespace {

#define RETENTIVE_ROW(isa) {Isa::isa, isa::causal_backward},
constexpr Implementation<decltype(&avx2::causal_backward)> kBackward[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW)};
#undef RETENTIVE_ROW

CausalProblem settled(CausalProblem p) {
  p.chunk = retention_chunk(p.chunk, p.key_dim, p.value_dim);
  return p;
}

}  // namespace

int64_t retention_backward_workspace_bytes(const CausalProblem& p, int threads) {
  return std::max(threads, 1) * causal_backward_floats(settled(p)) * static_cast<int64_t>(sizeof(float));
}

bool retention_backward(const CausalProblem& p, const CausalGradients<float>& gradients, void* workspace, int threads) {
  static const auto run = choose(kBackward);
  if (run != nullptr) run({settled(p), gradients, static_cast<float*>(workspace), std::max(threads, 1)});
  return run != nullptr;
}

}  // namespace retentive::retention
