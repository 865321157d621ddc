#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include <retention/base/export.h>

namespace retentive::detail {

/// The sizes of `t` as "[2, 3, 4]".
RETENTIVE_API std::string shape_text(const at::Tensor& t);

}  // namespace retentive::detail
