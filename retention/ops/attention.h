#pragma once

#include <ATen/core/Tensor.h>

#include <retention/base/export.h>

namespace retentive {

/// Causal softmax attention of the last Tq of T tokens to all tokens before and themselves, as decoding with a cache of
/// keys and values needs it: out_i = sum over j <= T - Tq + i of softmax_j(q_i . k_j / sqrt(Dk)) v_j, per head.
///
/// Up to 8 queries without gradient in float32 or bfloat16 go through a kernel that is bound by memory alone, fastest
/// where the tokens of a head lie side by side; everything else through ATen's scaled_dot_product_attention.
///
/// @param q  [B, Tq, N, Dk], of one floating dtype with k and v
/// @param k  [B, T, N, Dk]
/// @param v  [B, T, N, Dv]
/// @return   [B, Tq, N, Dv] in the dtype of q
/// @throws InvalidArgument when shapes or dtypes do not fit together
RETENTIVE_API at::Tensor attention_decode(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace retentive
