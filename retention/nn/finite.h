#pragma once

#include <string>

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::nn {

/// Throws CheckpointError naming the first parameter or buffer of `model` that holds NaN or infinity; `where` stands
/// for the caller in the message.
RETENTIVE_API void check_finite_weights(const torch::nn::Module& model, const std::string& where);

/// The place of the first element of a tensor that is NaN or infinite, in reading order; -1 when all are finite.
RETENTIVE_API int64_t first_not_finite(const torch::Tensor& values);

}  // namespace retentive::nn
