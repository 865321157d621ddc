#pragma once

#include <cstdint>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::vision {

/// Shapes of the anchors of one cell.
struct AnchorOptions {
  std::vector<int64_t> strides;              ///< of each level
  std::vector<double> scales = {8};          ///< sides, in strides of the level
  std::vector<double> ratios = {0.5, 1, 2};  ///< height / width
};

/// Boxes around the corner (x * stride, y * stride) of every cell of a pyramid: for scale s and ratio r, height
/// s * stride * sqrt(r) and width s * stride / sqrt(r); all scales of the first ratio come first (mmdetection).
class RETENTIVE_API AnchorGenerator {
 public:
  explicit AnchorGenerator(const AnchorOptions& options);

  int64_t per_cell() const;
  size_t levels() const { return strides_.size(); }

  /// Anchors of a grid of level `level`: [h * w * per_cell, 4] as x0 y0 x1 y1, by row, column, shape.
  torch::Tensor grid(size_t level, int64_t height, int64_t width) const;

  /// Anchors of all levels of a pyramid [B, h, w, C], one tensor a level.
  std::vector<torch::Tensor> grids(const std::vector<torch::Tensor>& pyramid) const;

  /// Which anchors of grid() belong to cells of the first `height` x `width` pixels: bool [h * w * per_cell].
  torch::Tensor inside(size_t level, int64_t grid_height, int64_t grid_width, int64_t height, int64_t width) const;

 private:
  std::vector<int64_t> strides_;
  std::vector<torch::Tensor> shapes_;  // per level [per_cell, 4]
};

/// Sides of `count` anchors within the octave from `scale` on: scale * 2^(i / count).
RETENTIVE_API std::vector<double> octave_scales(double scale, int64_t count);

}  // namespace retentive::vision
