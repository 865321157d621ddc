#pragma once

#include <array>

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::models {

/// Grad-CAM (Selvaraju et al., 2017, equations 1 and 2) over tokens: relu(sum over channels c of a_c A_c), a_c the mean
/// of the class's gradient over the tokens. Features A and gradient [T, C] -> [T].
RETENTIVE_API torch::Tensor class_activation(const torch::Tensor& features, const torch::Tensor& gradient);

struct PrincipalComponents {
  torch::Tensor scores;          ///< [3, T]; zeros where there are fewer components
  std::array<double, 3> shares;  ///< of the variance, 0 to 1
};

/// The first three principal components of T tokens, features [T, C]. Their signs, which are arbitrary, are such that
/// the largest score is positive.
RETENTIVE_API PrincipalComponents principal_components(const torch::Tensor& features);

/// Effective receptive field (Luo et al., 2016) of the token at (row, column) of a map [1, h, w, C] computed from an
/// image [1, channels, H, W] that requires gradients: |gradient of the sum of its features| summed over channels,
/// [H, W].
RETENTIVE_API torch::Tensor input_gradient(const torch::Tensor& map, const torch::Tensor& image, int64_t row,
                                           int64_t column);

}  // namespace retentive::models
