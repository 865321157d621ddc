#pragma once

#include <ATen/core/Tensor.h>

#include <retention/base/bfloat16.h>

namespace retentive::detail {

/// The elements of `t` as kernels take them; its type must be that of T. Null for an undefined tensor.
template <class T>
const T* elements(const at::Tensor& t) {
  return t.defined() ? static_cast<const T*>(t.const_data_ptr()) : nullptr;
}
template <class T>
T* mutable_elements(const at::Tensor& t) {
  return static_cast<T*>(t.mutable_data_ptr());
}

/// fn(T{}) with T = float or bfloat16 as `type` says; false for other types.
template <class F>
bool for_element_type(at::ScalarType type, const F& fn) {
  if (type == at::kFloat) return fn(float{});
  return type == at::kBFloat16 && fn(bfloat16{});
}

}  // namespace retentive::detail
