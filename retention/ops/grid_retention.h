#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

#include <retention/base/export.h>
#include <retention/base/form.h>

namespace retentive {

/// Where tokens lie: patches row by row on a grid, then perhaps a class token, one row below the last patch in the
/// last column.
struct GridTokens {
  int64_t width = 1;         ///< columns, W
  bool class_token = false;  ///< the last token is the class token
};

/// What grid retention remembers of the patches so far. Undefined tensors stand for zero.
struct GridState {
  at::Tensor columns;  ///< [B, W, N, Dk, Dv]: of the rectangle up to the latest patch of each column
  at::Tensor row;      ///< [B, N, Dk, Dv]: of the row that is under way
};

struct GridRetentionOptions {
  Form form = Form::parallel;  ///< auto_ is not accepted here
  GridTokens tokens = {};
  int64_t chunk = 512;   ///< tokens of a chunk, rounded up to whole rows; chunkwise only
  int64_t column = 0;    ///< of the first token; other than 0 in the recurrent form only
  double k_scale = 1;    ///< factor on k
  GridState state = {};  ///< before the first token; not in the parallel form
  /// The state's memory may be written to and returned; without gradients only.
  bool overwrite_state = false;
};

struct GridRetentionResult {
  at::Tensor out;   ///< [B, T, N, Dv], at least float32
  GridState state;  ///< after the last patch; undefined in the parallel form. A class token leaves it as it is
};

/// Causal retention with 2-D decay (ViR, 2-D retention): out_i = sum over the tokens j that lie neither below nor right
/// of i of gamma^(dy + dx) (q_i . k_scale k_j) v_j, per head; differentiable in q, k, v and the state.
///
/// Recurrent, per patch at column x: R = gamma R + k^T v (R = 0 before a row), P[x] = gamma P[x] + R, out = q P[x].
/// MACs per head, for T tokens: parallel T^2 (Dk + Dv) in memory of T^2 weights; recurrent 2 T Dk Dv; chunkwise, with
/// chunks of n tokens in whole rows, n T (Dk + Dv) + 2 T Dk Dv + (T / n) W^2 Dk Dv. States take W Dk Dv.
///
/// @param q, k       [B, T, N, Dk] of one floating dtype
/// @param v          [B, T, N, Dv]
/// @param log_gamma  [N], natural logarithms of the decay rates
/// @throws InvalidArgument when shapes, dtypes or options do not fit together; parallel and chunkwise take whole rows
RETENTIVE_API GridRetentionResult grid_retention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                                 const at::Tensor& log_gamma, const GridRetentionOptions& options);

/// softmax over all T of (q . k_scale k) * decay, times v: what the authors' review-time code computes in its parallel
/// mode, kept for comparison. Decays of 0 are not masked, so that every token sees every other one. The decay is 1-D
/// along the sequence, or 2-D on `grid`. Arguments and errors as above; memory of T^2 weights per head.
RETENTIVE_API at::Tensor release_softmax_retention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                                   const at::Tensor& log_gamma, double k_scale,
                                                   const std::optional<GridTokens>& grid);

}  // namespace retentive
