#pragma once

#include <string_view>

#include <torch/torch.h>

namespace retentive::models::detail {

/// Whether `file`, the tensor `name` of a weights file, holds the rotary angles or log decays of `formula`, the model's
/// own, rounded to bfloat16 or float16 when the file was written: the formula's are then what the model was made with.
bool is_rounded_formula(std::string_view name, const torch::Tensor& file, const torch::Tensor& formula);

}  // namespace retentive::models::detail
