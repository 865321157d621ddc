#include <retention/ops/boxes.h>
#include <vision/detection/roi_heads.h>

namespace retentive::vision {
namespace {

constexpr double kFinestSide = 56;

// boxes of each image -> [n, 5] with the image's number first.
torch::Tensor numbered(const std::vector<torch::Tensor>& boxes) {
  std::vector<torch::Tensor> rois;
  for (size_t i = 0; i < boxes.size(); ++i) {
    rois.push_back(
        torch::cat({torch::full({boxes[i].size(0), 1}, static_cast<double>(i), torch::kFloat), boxes[i]}, 1));
  }
  return torch::cat(rois);
}

}  // namespace

torch::Tensor RoiPooler::levels(const torch::Tensor& boxes) const {
  const auto sides = boxes.slice(1, 2) - boxes.slice(1, 0, 2);
  const auto scale = sides.prod(1).clamp_min(0).sqrt();
  const auto last = static_cast<int64_t>(strides_.size()) - 1;
  return (scale / kFinestSide + 1e-6).log2().floor().clamp(0, static_cast<double>(last)).to(torch::kLong);
}

torch::Tensor RoiPooler::pool(const std::vector<torch::Tensor>& pyramid, const std::vector<torch::Tensor>& boxes,
                              int64_t size) const {
  const auto rois = numbered(boxes);  // [n, 5]
  const auto level = levels(rois.slice(1, 1));
  std::vector<torch::Tensor> regions, order;
  for (size_t i = 0; i < strides_.size(); ++i) {
    const auto here = (level == static_cast<int64_t>(i)).nonzero().squeeze(1);
    if (here.size(0) == 0) continue;
    const auto map = pyramid[i].permute({0, 3, 1, 2});  // [B, C, h, w]
    regions.push_back(roi_align(map, rois.index_select(0, here), 1.0 / static_cast<double>(strides_[i]), size, size));
    order.push_back(here);
  }
  if (regions.empty()) return torch::zeros({0, pyramid.front().size(3), size, size});
  const auto inverse = torch::cat(order).argsort();
  return torch::cat(regions).index_select(0, inverse);
}

torch::Tensor crop_masks(const torch::Tensor& masks, const torch::Tensor& boxes, int64_t size) {
  const auto n = boxes.size(0);
  if (n == 0) return torch::zeros({0, size, size});
  const auto rois = torch::cat({torch::arange(n, torch::kFloat).unsqueeze(1), boxes}, 1);
  const auto pooled = roi_align(masks.to(torch::kFloat).unsqueeze(1), rois, 1.0, size, size);  // [n, 1, size, size]
  return (pooled.squeeze(1) >= 0.5).to(torch::kFloat);
}

}  // namespace retentive::vision
