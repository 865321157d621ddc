#pragma once

#include <array>

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::vision {

/// A learned position table as rows for the patches of any grid. Another grid than the table's own gets it resampled
/// per axis, bicubic with antialiasing and half-pixel centres, a few rows at a time; differentiable in the table.
class RETENTIVE_API GridPositions {
 public:
  /// table [1, from[0] * from[1], C]; grids are {rows, columns}.
  GridPositions(const torch::Tensor& table, std::array<int64_t, 2> from, std::array<int64_t, 2> to);

  /// Of patches `begin` to `end`, row by row: [1, end - begin, C].
  torch::Tensor rows(int64_t begin, int64_t end) const;

 private:
  int64_t width_;
  torch::Tensor table_;     // [1, N, C], or [from rows, columns * C] when resampled
  torch::Tensor vertical_;  // [rows, from rows]; undefined without resampling
};

}  // namespace retentive::vision
