#include <vision/grid_positions.h>

namespace retentive::vision {
namespace {

using torch::Tensor;

// The weights of one axis, [to, from]: what the resampling makes of each unit vector.
Tensor axis_weights(int64_t from, int64_t to, const torch::TensorOptions& options) {
  const auto units = torch::eye(from, torch::kDouble).view({1, 1, from, from});
  return torch::_upsample_bicubic2d_aa(units, {to, from}, /*align_corners=*/false).view({to, from}).to(options);
}

}  // namespace

GridPositions::GridPositions(const Tensor& table, std::array<int64_t, 2> from, std::array<int64_t, 2> to)
    : width_(to[1]), table_(table) {
  if (from == to) return;
  const auto options = table.options().requires_grad(false);
  const auto horizontal = axis_weights(from[1], to[1], options);                    // [columns, from columns]
  const auto wide = torch::matmul(horizontal, table.view({from[0], from[1], -1}));  // [from rows, columns, C]
  table_ = wide.flatten(1);
  vertical_ = axis_weights(from[0], to[0], options);
}

Tensor GridPositions::rows(int64_t begin, int64_t end) const {
  if (!vertical_.defined()) return table_.narrow(1, begin, end - begin);
  const auto first = begin / width_, last = (end + width_ - 1) / width_;
  const auto channels = table_.size(1) / width_;
  const auto rows = torch::matmul(vertical_.narrow(0, first, last - first), table_).view({1, -1, channels});
  return rows.narrow(1, begin - first * width_, end - begin);
}

}  // namespace retentive::vision
