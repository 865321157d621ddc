#include <algorithm>

#include <models/pipelines/detail/explain.h>

namespace retentive::models {

using torch::Tensor;

Tensor class_activation(const Tensor& features, const Tensor& gradient) {
  return torch::relu((features * gradient.mean(0)).sum(1));
}

PrincipalComponents principal_components(const Tensor& features) {
  const auto centred = (features - features.mean(0)).to(torch::kDouble);  // [T, C]
  const auto [variances, axes] = torch::linalg_eigh(centred.t().matmul(centred));
  const auto total = variances.clamp_min(0).sum().item<double>();
  PrincipalComponents found{torch::zeros({3, features.size(0)}), {}};
  const auto channels = features.size(1);
  for (int64_t i = 0; i < std::min<int64_t>(3, channels); ++i) {  // eigenvalues ascend
    const auto score = centred.matmul(axes.select(1, channels - 1 - i));
    const auto sign = score.max().item<double>() < -score.min().item<double>() ? -1.0 : 1.0;
    found.scores[i] = sign * score;
    const double variance = std::max(0.0, variances[channels - 1 - i].item<double>());
    found.shares[static_cast<size_t>(i)] = total > 0 ? variance / total : 0;
  }
  return found;
}

Tensor input_gradient(const Tensor& map, const Tensor& image, int64_t row, int64_t column) {
  const auto sum = map.select(1, row).select(1, column).sum();
  return torch::autograd::grad({sum}, {image}).front().abs().sum({0, 1});  // [H, W]
}

}  // namespace retentive::models
