#pragma once

#include <cstdint>

#include <retention/base/export.h>
#include <retention/kernels/depthwise.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

// The gradient for the input is `depthwise` itself on dy, with weights packed with `flip` and no bias; with gelu_input
// `gelu_backward` follows.

/// Gradients for the weights and the bias of out = depthwise(x), by the definition, in double: dy is [batch, height,
/// width, channels], dweight [kernel * kernel, channels] (the packed order), dbias [channels].
RETENTIVE_API void depthwise_backward_weight_reference(const DepthwiseProblem& problem, const float* x, const float* dy,
                                                       float* dweight, float* dbias);

/// The fastest implementation for this processor; the same bits for any number of threads. `dbias` may be null. Returns
/// false, having done nothing, when no implementation runs here or the kernel size is not 3 or 5.
RETENTIVE_API bool depthwise_backward_weight(const DepthwiseProblem& problem, const float* x, const float* dy,
                                             float* dweight, float* dbias, int threads);

/// Entry points of the instruction sets; callers use the function above.
#define RETENTIVE_DECLARE(isa)                                                                            \
  namespace isa {                                                                                         \
  void depthwise_backward_weight_f32(const DepthwiseProblem&, const float*, const float*, float*, float*, \
                                     int threads);                                                        \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
