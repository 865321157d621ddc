#pragma once

#include <cstdint>

#include <retention/base/decay_mode.h>
#include <retention/base/export.h>

namespace retentive::retention {

/// Sizes and constants of one Manhattan self-attention call; q, k, v and the output are [batch, height, width, heads,
/// head_dim], log_gamma is [heads], angle is [head_dim] (even).
struct MasaProblem {
  int64_t batch = 1;
  int64_t height = 1;
  int64_t width = 1;
  int64_t heads = 1;
  int64_t head_dim = 2;
  double k_scale = 1.0;
  DecayMode decay_mode = DecayMode::release;
};

/// Full MaSA (RMT, equation 5) by its definition: rotary by flat raster index on q and on the scaled k, scores over
/// all pairs of tokens, decay by Manhattan distance, softmax, value product. Naive on purpose: it is the truth that
/// every other implementation is tested against.
template <class T>
void masa_reference(const MasaProblem& problem, const T* q, const T* k, const T* v, const float* log_gamma,
                    const float* angle, T* out);

/// Decomposed MaSA (RMT, equation 7): the same along every row (width axis), then along every column (height axis),
/// the second pass acting on the result of the first; both score matrices come from the original q and k.
template <class T>
void masa_decomposed_reference(const MasaProblem& problem, const T* q, const T* k, const T* v, const float* log_gamma,
                               const float* angle, T* out);

#define RETENTIVE_MASA_REFERENCE(T)                                                                                    \
  extern template RETENTIVE_API void masa_reference<T>(const MasaProblem&, const T*, const T*, const T*, const float*, \
                                                       const float*, T*);                                              \
  extern template RETENTIVE_API void masa_decomposed_reference<T>(const MasaProblem&, const T*, const T*, const T*,    \
                                                                  const float*, const float*, T*);
RETENTIVE_MASA_REFERENCE(float)
RETENTIVE_MASA_REFERENCE(double)
#undef RETENTIVE_MASA_REFERENCE

}  // namespace retentive::retention
