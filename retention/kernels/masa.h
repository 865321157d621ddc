#pragma once

#include <cstdint>
#include <vector>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/kernels/implementation.h>
#include <retention/kernels/isa_list.h>
#include <retention/kernels/masa_layout.h>
#include <retention/kernels/masa_reference.h>

namespace retentive::retention {

/// Fills the tables of MasaTables, [tokens, head_dim / 2] each, from angle [head_dim]: the phase token * angle is
/// rounded to float32, sine and cosine are accurate, as rotary_table does. They serve every call on the same grid.
RETENTIVE_API void masa_rotary_tables(int64_t tokens, int64_t head_dim, const float* angle, float* sin, float* cos);

/// Bytes of workspace that masa and masa_decomposed need, for any element type.
RETENTIVE_API int64_t masa_workspace_bytes(const MasaProblem& problem, int threads);
RETENTIVE_API int64_t masa_decomposed_workspace_bytes(const MasaProblem& problem, int threads);

/// What masa and masa_decomposed run on for elements of type T (float or bfloat16), the name of an instruction set, or
/// null when nothing runs here; better ones that were passed over are appended to `declined`.
template <class T>
const char* masa_implementation(std::vector<Declined>* declined = nullptr);

/// Full MaSA (RMT, equation 5) and decomposed MaSA (equation 7) by the fastest implementation for this processor.
/// q, k, v and out are [batch, height * width, heads * head_dim], not rotated, their tokens `strides` apart; log_gamma
/// is [heads]. Scores, softmax and sums are float; bfloat16 probabilities are rounded once where the instruction set
/// multiplies bfloat16. `workspace` has the bytes stated above and is aligned to 64; out must not overlap q, k or v.
/// The result does not depend on `threads`. Returns false, having done nothing, when no implementation runs here.
template <class T>
bool masa(const MasaProblem& problem, const MasaStrides& strides, const T* q, const T* k, const T* v,
          const float* log_gamma, const MasaTables& tables, T* out, void* workspace, int threads);
template <class T>
bool masa_decomposed(const MasaProblem& problem, const MasaStrides& strides, const T* q, const T* k, const T* v,
                     const float* log_gamma, const MasaTables& tables, T* out, void* workspace, int threads);

#define RETENTIVE_MASA(T)                                                                                           \
  extern template RETENTIVE_API const char* masa_implementation<T>(std::vector<Declined>*);                         \
  extern template RETENTIVE_API bool masa<T>(const MasaProblem&, const MasaStrides&, const T*, const T*, const T*,  \
                                             const float*, const MasaTables&, T*, void*, int);                      \
  extern template RETENTIVE_API bool masa_decomposed<T>(const MasaProblem&, const MasaStrides&, const T*, const T*, \
                                                        const T*, const float*, const MasaTables&, T*, void*, int);
RETENTIVE_MASA(float)
RETENTIVE_MASA(bfloat16)
#undef RETENTIVE_MASA

/// One call of a kernel, as its entry points take it.
template <class T>
struct MasaCall {
  MasaProblem problem;
  MasaStrides strides;
  const T* q;
  const T* k;
  const T* v;
  const float* log_gamma;
  MasaTables tables;
  T* out;
  float* workspace;
  int threads;
};

/// Entry points of the instruction sets; callers use the functions above.
#define RETENTIVE_DECLARE(isa)                          \
  namespace isa {                                       \
  void masa_full_f32(const MasaCall<float>&);           \
  void masa_full_bf16(const MasaCall<bfloat16>&);       \
  void masa_decomposed_f32(const MasaCall<float>&);     \
  void masa_decomposed_bf16(const MasaCall<bfloat16>&); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
