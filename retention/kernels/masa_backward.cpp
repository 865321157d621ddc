#include <algorithm>
#include <cstdint>

#include <retention/kernels/implementation.h>
#include <retention/kernels/masa_backward.h>
#include <retention/kernels/masa_backward_plan.h>

namespace retentive::retention {
namespace {

constexpr int64_t kAlignment = 64;

#define RETENTIVE_ROW_FULL(isa) {Isa::isa, isa::masa_backward_f32},
#define RETENTIVE_ROW_DECOMPOSED(isa) {Isa::isa, isa::masa_decomposed_backward_f32},
using Run = decltype(&avx2::masa_backward_f32);
constexpr Implementation<Run> kFull[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_FULL)};
constexpr Implementation<Run> kDecomposed[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_DECOMPOSED)};
#undef RETENTIVE_ROW_FULL
#undef RETENTIVE_ROW_DECOMPOSED

float* aligned(void* workspace) {
  const auto address = reinterpret_cast<uintptr_t>(workspace);
  return reinterpret_cast<float*>((address + kAlignment - 1) / kAlignment * kAlignment);
}

int64_t bytes(int64_t floats) { return floats * static_cast<int64_t>(sizeof(float)) + kAlignment; }

}  // namespace

int64_t masa_backward_workspace_bytes(const MasaProblem& problem, int threads) {
  const MasaBackwardPlan plan(problem, false);
  return bytes(std::max(threads, 1) * plan.worker() + (plan.parts > 1 ? plan.heads * plan.parts * plan.part() : 0));
}

int64_t masa_decomposed_backward_workspace_bytes(const MasaProblem& problem, int threads) {
  const MasaBackwardPlan plan(problem, true);
  return bytes(std::max(threads, 1) * (plan.worker() + plan.between()));
}

bool masa_backward(const MasaProblem& problem, const MasaStrides& strides, const float* q, const float* k,
                   const float* v, const float* log_gamma, const MasaTables& tables, const float* dout, float* dq,
                   float* dk, float* dv, void* workspace, int threads) {
  static const auto run = choose(kFull);
  const MasaGradients gradients{strides, q, k, v, log_gamma, tables, dout, dq, dk, dv};
  if (run != nullptr) run(problem, gradients, aligned(workspace), std::max(threads, 1));
  return run != nullptr;
}

bool masa_decomposed_backward(const MasaProblem& problem, const MasaStrides& strides, const float* q, const float* k,
                              const float* v, const float* log_gamma, const MasaTables& tables, const float* dout,
                              float* dq, float* dk, float* dv, void* workspace, int threads) {
  static const auto run = choose(kDecomposed);
  const MasaGradients gradients{strides, q, k, v, log_gamma, tables, dout, dq, dk, dv};
  if (run != nullptr) run(problem, gradients, aligned(workspace), std::max(threads, 1));
  return run != nullptr;
}

}  // namespace retentive::retention
