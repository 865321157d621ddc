#pragma once

#include <string>

#include <ATen/core/Tensor.h>

/// What the operators on boxes refuse. Each throws InvalidArgument that begins with [op].
namespace retentive::detail {

[[noreturn]] void refuse_boxes(const std::string& op, const std::string& what);

/// `boxes` is [count, width] float32 on the CPU, all finite; count -1 stands for any.
void check_box_rows(const std::string& op, const std::string& name, const at::Tensor& boxes, int64_t width = 4,
                    int64_t count = -1);

void check_share(const std::string& op, const std::string& name, double value);

/// The first value that is NaN or infinite, or -1.
int64_t first_not_finite(const float* values, int64_t count);

}  // namespace retentive::detail
