#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include <retention/base/export.h>

namespace retentive::detail {

/// The sizes of `t` as "[2, 3, 4]".
RETENTIVE_API std::string shape_text(const at::Tensor& t);

/// The sizes of `t` [B, ...] without its batch, as "56x56x64".
RETENTIVE_API std::string map_text(const at::Tensor& t);

}  // namespace retentive::detail
