#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include <retention/base/export.h>
#include <retention/base/form.h>

namespace retentive {

/// What causal retention is asked for besides its tensors.
struct RetentionOptions {
  Form form = Form::parallel;  ///< auto_ is not accepted here: the caller decides
  int64_t chunk = 512;         ///< tokens of a chunk; chunkwise only
  double k_scale = 1;          ///< factor on k
  /// Before the first token, [S, N, Dk, Dv]; undefined = zero.
  at::Tensor state = {};
  /// The state's memory may be written to and returned; without gradients only.
  bool overwrite_state = false;
  /// int64 [S, 2]: sequence s is the tokens [begin, end) of the flattened [B * T]; undefined = one sequence per row.
  /// Tokens of no sequence give zero. Padded batches and packed sequences are both of this kind.
  at::Tensor ranges = {};
};

struct RetentionResult {
  at::Tensor out;    ///< [B, T, N, Dv], at least float32
  at::Tensor state;  ///< after the last token of each sequence, [S, N, Dk, Dv], at least float32
};

/// Causal multi-head retention without normalisation (RetNet, equations 5 to 7), differentiable in q, k, v and the
/// state: S_n = gamma S_(n-1) + (k_scale k_n)^T v_n, out_n = q_n S_n, per head.
///
/// @param q, k       [B, T, N, Dk], rotated already if they are to be, of one floating dtype
/// @param v          [B, T, N, Dv]
/// @param log_gamma  [N], natural logarithms of the decay rates
/// @throws InvalidArgument when shapes, dtypes, ranges or options do not fit together
RETENTIVE_API RetentionResult causal_retention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                               const at::Tensor& log_gamma, const RetentionOptions& options);

/// Throws InvalidArgument unless `ranges` is int64 [S, 2] of ranges within `tokens` that do not overlap.
RETENTIVE_API void check_sequence_ranges(const at::Tensor& ranges, int64_t tokens);

/// The row scalars of the official code's forms, times retention of k scaled by `k_scale` (specification: RetNet,
/// section 2). Whole rows only, no state; the scalars are constants of differentiation.
RETENTIVE_API at::Tensor retention_torchscale(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                              const at::Tensor& log_gamma, const RetentionOptions& options);

/// x [B, T, N, D] turned by the phases of its tokens, differentiable in x; sin and cos [B, T, D / 2], or [1, T, D / 2]
/// for all rows.
RETENTIVE_API at::Tensor rotary(const at::Tensor& x, const at::Tensor& sin, const at::Tensor& cos, RotaryStyle style);

/// What causal_retention() runs on for q of type `type`: the name of an instruction set, or "ATen" for the composed
/// form; `reason` receives why better ones were passed over.
RETENTIVE_API std::string retention_implementation(at::ScalarType type, std::string& reason);

/// Row sums of the decay, s_n = sum of gamma^i for i in 0..n, at `positions` n, int64 [...]: float64 [..., N].
RETENTIVE_API at::Tensor decay_row_sum(const at::Tensor& log_gamma, const at::Tensor& positions);

}  // namespace retentive
