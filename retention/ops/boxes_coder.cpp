#include <algorithm>
#include <cmath>
#include <string>

#include <torch/torch.h>

#include <retention/ops/boxes.h>
#include <retention/ops/detail/box_checks.h>
#include <retention/ops/detail/shape_text.h>

namespace retentive {
namespace {

using at::Tensor;
using detail::shape_text;

constexpr double kMostGrowth = 1000.0 / 16;

/// Corners of boxes as centres and sizes, [..., 2] each.
struct CentreSize {
  explicit CentreSize(const Tensor& boxes)
      : centre((boxes.slice(-1, 0, 2) + boxes.slice(-1, 2, 4)) * 0.5),
        size(boxes.slice(-1, 2, 4) - boxes.slice(-1, 0, 2)) {}

  Tensor centre, size;
};

void check_pair(const std::string& op, const Tensor& boxes, const std::string& name, const Tensor& other,
                at::ArrayRef<double> stds) {
  const bool rows = boxes.dim() > 0 && boxes.size(-1) == 4 && other.dim() > 0 && other.size(-1) == 4;
  if (!rows || !boxes.is_floating_point() || boxes.dtype() != other.dtype() ||
      !at::are_expandable(boxes.sizes(), other.sizes())) {
    detail::refuse_boxes(op, "boxes is " + shape_text(boxes) + " " + std::string(boxes.dtype().name()) + ", " + name +
                                 " is " + shape_text(other) + " " + std::string(other.dtype().name()) +
                                 "; two [..., 4] of one floating dtype that broadcast together are accepted");
  }
  if (!at::isfinite(boxes).all().item<bool>()) {
    detail::refuse_boxes(op, "a box is NaN or infinite; finite coordinates are accepted; look for a diverged model");
  }
  const auto positive = [](double std) { return std > 0 && std::isfinite(std); };
  if (stds.size() == 4 && std::all_of(stds.begin(), stds.end(), positive)) return;
  detail::refuse_boxes(op, "stds are " + c10::str(stds) + "; four positive ones are accepted");
}

void check_sizes(const std::string& name, const Tensor& size) {
  const auto good = at::logical_and(size > 0, at::isfinite(size)).all(-1).flatten();
  if (good.all().item<bool>()) return;
  const auto row = good.logical_not().nonzero()[0].item<int64_t>();
  detail::refuse_boxes("box_encode",
                       name + " " + std::to_string(row) +
                           " has no area; boxes of positive size are accepted; drop objects without area");
}

Tensor encode(const Tensor& boxes, const Tensor& targets, at::ArrayRef<double> stds) {
  check_pair("box_encode", boxes, "targets", targets, stds);
  const CentreSize from(boxes), to(targets);
  check_sizes("box", from.size);
  check_sizes("target", to.size);
  const auto deltas = at::cat({(to.centre - from.centre) / from.size, (to.size / from.size).log()}, -1);
  return deltas / at::tensor(stds, deltas.options());
}

Tensor decode(const Tensor& boxes, const Tensor& deltas, at::ArrayRef<double> stds, at::OptionalIntArrayRef image) {
  check_pair("box_decode", boxes, "deltas", deltas, stds);
  if (image && (image->size() != 2 || image->at(0) < 1 || image->at(1) < 1)) {
    detail::refuse_boxes("box_decode", "image is " + c10::str(*image) + "; a positive height and width are accepted");
  }
  const CentreSize from(boxes);
  const auto scaled = deltas * at::tensor(stds, deltas.options());
  const double limit = std::log(kMostGrowth);
  const auto centre = from.centre + from.size * scaled.slice(-1, 0, 2);
  const auto half = from.size * scaled.slice(-1, 2, 4).clamp(-limit, limit).exp() * 0.5;
  const auto out = at::cat({centre - half, centre + half}, -1);
  if (!image) return out;
  const auto height = static_cast<double>(image->at(0)), width = static_cast<double>(image->at(1));
  return at::minimum(out.clamp_min(0), at::tensor({width, height, width, height}, out.options()));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(retentive, m) {
  m.def("box_encode(Tensor boxes, Tensor targets, float[] stds=[1.0, 1.0, 1.0, 1.0]) -> Tensor",
        torch::dispatch(c10::DispatchKey::CompositeImplicitAutograd, encode));
  m.def("box_decode(Tensor boxes, Tensor deltas, float[] stds=[1.0, 1.0, 1.0, 1.0], int[]? image=None) -> Tensor",
        torch::dispatch(c10::DispatchKey::CompositeImplicitAutograd, decode));
}

Tensor box_encode(const Tensor& boxes, const Tensor& targets, const BoxStds& stds) {
  return encode(boxes, targets, stds);
}

Tensor box_decode(const Tensor& boxes, const Tensor& deltas, const BoxStds& stds,
                  const std::optional<std::array<int64_t, 2>>& image) {
  return decode(boxes, deltas, stds, image ? at::OptionalIntArrayRef(*image) : std::nullopt);
}

}  // namespace retentive
