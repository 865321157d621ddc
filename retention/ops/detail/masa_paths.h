#pragma once

#include <ATen/core/Tensor.h>

#include <retention/base/decay_mode.h>

/// The ways in which the operators masa and masa_decomposed are computed; arguments have been checked.
namespace retentive::detail {

struct MasaArguments {
  at::Tensor q, k, v;  ///< [B, H, W, N, D]
  at::Tensor log_gamma;
  at::Tensor angle;
  double k_scale;
  DecayMode mode;
};

/// In ATen operators: differentiable, any dtype, memory of T x T scores.
at::Tensor masa_composed(const MasaArguments& arguments, bool decomposed);

/// By the kernels; undefined when none takes these arguments.
at::Tensor masa_fast(const MasaArguments& arguments, bool decomposed);

/// With a graph for q, k and v: kernels in both directions where they run, else composed.
at::Tensor masa_with_gradient(const MasaArguments& arguments, bool decomposed);

}  // namespace retentive::detail
