#pragma once

#include <ATen/core/Tensor.h>

#include <retention/kernels/causal_reference.h>

namespace retentive::detail {

/// x [B, T, N, D] as kernels take it: itself when its heads are side by side and its tokens at one distance, else a
/// copy.
inline at::Tensor as_token_rows(const at::Tensor& x) {
  const auto batch = x.size(0), tokens = x.size(1);
  const bool heads = x.stride(3) == 1 && (x.size(2) == 1 || x.stride(2) == x.size(3));
  const bool rows = batch == 1 || tokens == 1 || x.stride(0) == tokens * x.stride(1);
  return heads && rows ? x : x.contiguous();
}

/// Distance of the tokens of as_token_rows(x).
inline int64_t token_distance(const at::Tensor& x) {
  if (x.size(1) > 1) return x.stride(1);
  return x.size(0) > 1 ? x.stride(0) : x.size(2) * x.size(3);
}

/// The elements of as_token_rows(x).
template <class T>
retention::TokenRows<const T> token_rows(const at::Tensor& x) {
  return {static_cast<const T*>(x.const_data_ptr()), token_distance(x)};
}
template <class T>
retention::TokenRows<T> mutable_token_rows(const at::Tensor& x) {
  return {static_cast<T*>(x.mutable_data_ptr()), token_distance(x)};
}

}  // namespace retentive::detail
