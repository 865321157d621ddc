#include <cmath>

#include <vision/detection/anchors.h>

namespace retentive::vision {

AnchorGenerator::AnchorGenerator(const AnchorOptions& options) : strides_(options.strides) {
  for (const int64_t stride : strides_) {
    std::vector<float> values;
    for (const double ratio : options.ratios) {
      for (const double scale : options.scales) {
        const double side = scale * static_cast<double>(stride);
        const double x = side / std::sqrt(ratio) / 2, y = side * std::sqrt(ratio) / 2;
        for (const double corner : {-x, -y, x, y}) values.push_back(static_cast<float>(corner));
      }
    }
    shapes_.push_back(torch::tensor(values).view({-1, 4}));
  }
}

int64_t AnchorGenerator::per_cell() const { return shapes_.front().size(0); }

torch::Tensor AnchorGenerator::grid(size_t level, int64_t height, int64_t width) const {
  const auto x = torch::arange(width, torch::kFloat) * strides_[level];
  const auto y = torch::arange(height, torch::kFloat) * strides_[level];
  const auto cells =
      torch::stack({x.expand({height, width}), y.unsqueeze(1).expand({height, width})}, -1);  // [h, w, 2]
  const auto corners = cells.repeat({1, 1, 2}).view({height, width, 1, 4});
  return (corners + shapes_[level]).view({-1, 4});
}

std::vector<torch::Tensor> AnchorGenerator::grids(const std::vector<torch::Tensor>& pyramid) const {
  std::vector<torch::Tensor> anchors;
  for (size_t i = 0; i < pyramid.size(); ++i) anchors.push_back(grid(i, pyramid[i].size(1), pyramid[i].size(2)));
  return anchors;
}

torch::Tensor AnchorGenerator::inside(size_t level, int64_t grid_height, int64_t grid_width, int64_t height,
                                      int64_t width) const {
  const auto x = torch::arange(grid_width) * strides_[level] < width;
  const auto y = torch::arange(grid_height) * strides_[level] < height;
  const auto cells = y.unsqueeze(1).logical_and(x);  // [h, w]
  return cells.unsqueeze(-1).expand({grid_height, grid_width, per_cell()}).reshape({-1});
}

std::vector<double> octave_scales(double scale, int64_t count) {
  std::vector<double> scales;
  for (int64_t i = 0; i < count; ++i) {
    scales.push_back(scale * std::pow(2.0, static_cast<double>(i) / static_cast<double>(count)));
  }
  return scales;
}

}  // namespace retentive::vision
