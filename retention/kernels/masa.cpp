#include <algorithm>
#include <cmath>

#include <retention/kernels/implementation.h>
#include <retention/kernels/masa.h>
#include <retention/kernels/masa_plan.h>

namespace retentive::retention {
namespace {

#define RETENTIVE_ROW_NAME(isa) {Isa::isa, #isa},
#define RETENTIVE_ROW_FULL_F32(isa) {Isa::isa, isa::masa_full_f32},
#define RETENTIVE_ROW_FULL_BF16(isa) {Isa::isa, isa::masa_full_bf16},
#define RETENTIVE_ROW_DECOMPOSED_F32(isa) {Isa::isa, isa::masa_decomposed_f32},
#define RETENTIVE_ROW_DECOMPOSED_BF16(isa) {Isa::isa, isa::masa_decomposed_bf16},
template <class T>
using Entry = void (*)(const MasaCall<T>&);
constexpr Implementation<const char*> kNames[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_NAME)};
template <class T>
constexpr Implementation<Entry<T>> kFull[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_FULL_F32)};
template <>
constexpr Implementation<Entry<bfloat16>> kFull<bfloat16>[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_FULL_BF16)};
template <class T>
constexpr Implementation<Entry<T>> kDecomposed[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_DECOMPOSED_F32)};
template <>
constexpr Implementation<Entry<bfloat16>> kDecomposed<bfloat16>[] = {
    RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_DECOMPOSED_BF16)};

int64_t workspace_bytes(const MasaProblem& p, int64_t thread_floats, int threads) {
  const int64_t floats = p.heads * masa_axis_floats(p) + std::max(threads, 1) * thread_floats;
  return floats * static_cast<int64_t>(sizeof(float));
}

}  // namespace

void masa_rotary_tables(int64_t tokens, int64_t head_dim, const float* angle, float* sin, float* cos) {
  for (int64_t token = 0; token < tokens; ++token) {
    for (int64_t c = 0; c < head_dim; c += 2) {
      const float phase = static_cast<float>(token) * angle[c];
      *sin++ = static_cast<float>(std::sin(static_cast<double>(phase)));
      *cos++ = static_cast<float>(std::cos(static_cast<double>(phase)));
    }
  }
}

int64_t masa_workspace_bytes(const MasaProblem& p, int threads) {
  return workspace_bytes(p, masa_full_scratch(p).floats, threads);
}

int64_t masa_decomposed_workspace_bytes(const MasaProblem& p, int threads) {
  return workspace_bytes(p, masa_decomposed_floats(p), threads);
}

template <class T>
const char* masa_implementation(std::vector<Declined>* declined) {
  return choose(kNames, declined);
}

template <class T>
bool masa(const MasaProblem& p, const MasaStrides& strides, const T* q, const T* k, const T* v, const float* log_gamma,
          const MasaTables& tables, T* out, void* workspace, int threads) {
  static const auto run = choose(kFull<T>);
  if (run == nullptr) return false;
  run({p, strides, q, k, v, log_gamma, tables, out, static_cast<float*>(workspace), std::max(threads, 1)});
  return true;
}

template <class T>
bool masa_decomposed(const MasaProblem& p, const MasaStrides& strides, const T* q, const T* k, const T* v,
                     const float* log_gamma, const MasaTables& tables, T* out, void* workspace, int threads) {
  static const auto run = choose(kDecomposed<T>);
  if (run == nullptr) return false;
  run({p, strides, q, k, v, log_gamma, tables, out, static_cast<float*>(workspace), std::max(threads, 1)});
  return true;
}

#define RETENTIVE_MASA(T)                                                                                              \
  template const char* masa_implementation<T>(std::vector<Declined>*);                                                 \
  template bool masa<T>(const MasaProblem&, const MasaStrides&, const T*, const T*, const T*, const float*,            \
                        const MasaTables&, T*, void*, int);                                                            \
  template bool masa_decomposed<T>(const MasaProblem&, const MasaStrides&, const T*, const T*, const T*, const float*, \
                                   const MasaTables&, T*, void*, int);
RETENTIVE_MASA(float)
RETENTIVE_MASA(bfloat16)
#undef RETENTIVE_MASA

}  // namespace retentive::retention
