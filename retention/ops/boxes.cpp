#include <bit>
#include <cmath>
#include <string>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/base/op_profile.h>
#include <retention/kernels/boxes.h>
#include <retention/kernels/boxes_paste.h>
#include <retention/ops/boxes.h>
#include <retention/ops/detail/box_checks.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/shape_text.h>

namespace retentive {

using at::Tensor;
using detail::elements;
using detail::mutable_elements;
using detail::shape_text;

namespace detail {

void refuse_boxes(const std::string& op, const std::string& what) { throw InvalidArgument("[" + op + "] " + what); }

int64_t first_not_finite(const float* values, int64_t count) {
  constexpr uint32_t kExponent = 0x7f800000u;
  const auto bad = [](float value) { return (std::bit_cast<uint32_t>(value) & kExponent) == kExponent; };
  bool any = false;
  for (int64_t i = 0; i < count; ++i) any |= bad(values[i]);
  if (!any) return -1;
  int64_t i = 0;
  while (!bad(values[i])) ++i;
  return i;
}

void check_box_rows(const std::string& op, const std::string& name, const Tensor& boxes, int64_t width, int64_t count) {
  const bool rows = boxes.dim() == 2 && boxes.size(1) == width && (count < 0 || boxes.size(0) == count);
  if (!rows || boxes.scalar_type() != at::kFloat || !boxes.is_cpu()) {
    const std::string number = count < 0 ? "N" : std::to_string(count);
    refuse_boxes(op, name + " is " + shape_text(boxes) + " " + std::string(boxes.dtype().name()) + " on " +
                         boxes.device().str() + "; [" + number + ", " + std::to_string(width) +
                         "] float32 on the CPU is accepted; convert it with .to(float)");
  }
  const auto values = boxes.contiguous();
  const int64_t at = first_not_finite(elements<float>(values), values.numel());
  if (at < 0) return;
  refuse_boxes(op, name + " holds " + std::to_string(elements<float>(values)[at]) + " in row " +
                       std::to_string(at / width) + "; finite coordinates are accepted; look for a diverged model");
}

void check_share(const std::string& op, const std::string& name, double value) {
  if (value >= 0 && value <= 1) return;
  refuse_boxes(op, name + " is " + std::to_string(value) + "; 0 to 1 is accepted");
}

}  // namespace detail

namespace {

Tensor overlaps(const std::string& op, const Tensor& a, const Tensor& b, retention::BoxOverlap overlap) {
  detail::check_box_rows(op, "a", a);
  detail::check_box_rows(op, "b", b);
  const auto first = a.contiguous(), second = b.contiguous();
  const auto out = at::empty({a.size(0), b.size(0)}, a.options());
  retention::pairwise_iou(elements<float>(first), a.size(0), elements<float>(second), b.size(0), overlap,
                          mutable_elements<float>(out), at::get_num_threads());
  return out;
}

Tensor iou(const Tensor& a, const Tensor& b) { return overlaps("pairwise_iou", a, b, retention::BoxOverlap::iou); }
Tensor iof(const Tensor& a, const Tensor& b) { return overlaps("pairwise_iof", a, b, retention::BoxOverlap::iof); }

void check_scored(const std::string& op, const Tensor& boxes, const Tensor& scores, double threshold) {
  detail::check_box_rows(op, "boxes", boxes);
  detail::check_share(op, "iou_threshold", threshold);
  const bool fits = scores.dim() == 1 && scores.size(0) == boxes.size(0);
  if (!fits || scores.scalar_type() != at::kFloat || !scores.is_cpu()) {
    detail::refuse_boxes(op, "scores is " + shape_text(scores) + " " + std::string(scores.dtype().name()) +
                                 " but boxes is " + shape_text(boxes) + "; pass float32 [" +
                                 std::to_string(boxes.size(0)) + "] on the CPU");
  }
  const auto values = scores.contiguous();
  for (int64_t i = 0; i < values.size(0); ++i) {
    if (!std::isnan(elements<float>(values)[i])) continue;
    detail::refuse_boxes(op, "score " + std::to_string(i) + " is NaN; numbers are accepted; look for a diverged model");
  }
}

// The kept among `count` boxes, from run(pointer to room for all of them).
template <class F>
Tensor kept_indices(int64_t count, const F& run) {
  const OpTimer timer([&] { return "nms " + std::to_string(count); }, 0);
  const auto kept = at::empty({count}, at::TensorOptions().dtype(at::kLong));
  return kept.slice(0, 0, run(mutable_elements<int64_t>(kept))).clone();
}

Tensor suppress(const Tensor& boxes, const Tensor& scores, double threshold) {
  check_scored("nms", boxes, scores, threshold);
  const auto rows = boxes.contiguous(), values = scores.contiguous();
  return kept_indices(boxes.size(0), [&](int64_t* kept) {
    return retention::nms(elements<float>(rows), elements<float>(values), boxes.size(0), static_cast<float>(threshold),
                          kept, at::get_num_threads());
  });
}

Tensor suppress_by_id(const Tensor& boxes, const Tensor& scores, const Tensor& ids, double threshold) {
  check_scored("batched_nms", boxes, scores, threshold);
  if (ids.sizes() != scores.sizes() || ids.scalar_type() != at::kLong || !ids.is_cpu()) {
    detail::refuse_boxes("batched_nms", "ids is " + shape_text(ids) + " " + std::string(ids.dtype().name()) +
                                            " but scores is " + shape_text(scores) + "; pass int64 " +
                                            shape_text(scores) + " on the CPU");
  }
  const auto rows = boxes.contiguous(), values = scores.contiguous(), groups = ids.contiguous();
  return kept_indices(boxes.size(0), [&](int64_t* kept) {
    return retention::batched_nms(elements<float>(rows), elements<float>(values), elements<int64_t>(groups),
                                  boxes.size(0), static_cast<float>(threshold), kept, at::get_num_threads());
  });
}

Tensor paste(const Tensor& masks, const Tensor& boxes, int64_t height, int64_t width, double threshold) {
  const std::string op = "paste_masks";
  if (masks.dim() != 3 || masks.size(1) < 1 || masks.size(2) < 1 || masks.scalar_type() != at::kFloat ||
      !masks.is_cpu()) {
    detail::refuse_boxes(op, "masks is " + shape_text(masks) + " " + std::string(masks.dtype().name()) +
                                 "; [K, h, w] float32 on the CPU is accepted; select one mask for each box");
  }
  detail::check_box_rows(op, "boxes", boxes, 4, masks.size(0));
  detail::check_share(op, "threshold", threshold);
  if (height < 1 || width < 1) {
    detail::refuse_boxes(op, "the image is " + std::to_string(height) + "x" + std::to_string(width) +
                                 "; a positive height and width are accepted");
  }
  const auto values = masks.contiguous(), rows = boxes.contiguous();
  const auto out = at::empty({masks.size(0), height, width}, masks.options().dtype(at::kByte));
  const OpTimer timer([&] { return "paste_masks " + std::to_string(masks.size(0)); }, 0);
  retention::paste_masks({.count = masks.size(0),
                          .mask_height = masks.size(1),
                          .mask_width = masks.size(2),
                          .height = height,
                          .width = width,
                          .threshold = static_cast<float>(threshold)},
                         elements<float>(values), elements<float>(rows), mutable_elements<uint8_t>(out),
                         at::get_num_threads());
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(retentive, m) {
  m.def("pairwise_iou(Tensor a, Tensor b) -> Tensor");
  m.def("pairwise_iof(Tensor a, Tensor b) -> Tensor");
  m.def("nms(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor");
  m.def("batched_nms(Tensor boxes, Tensor scores, Tensor ids, float iou_threshold) -> Tensor");
  m.def("paste_masks(Tensor masks, Tensor boxes, int height, int width, float threshold) -> Tensor");
}

TORCH_LIBRARY_IMPL(retentive, CPU, m) {
  m.impl("pairwise_iou", iou);
  m.impl("pairwise_iof", iof);
  m.impl("nms", suppress);
  m.impl("batched_nms", suppress_by_id);
  m.impl("paste_masks", paste);
}

// They have no gradients.
TORCH_LIBRARY_IMPL(retentive, AutogradCPU, m) {
  for (const char* op : {"pairwise_iou", "pairwise_iof", "nms", "batched_nms", "paste_masks"}) {
    m.impl(op, torch::CppFunction::makeFallthrough());
  }
}

namespace {

template <class Function>
auto find_box_op(const char* name, Function*) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Function>();
}

}  // namespace

Tensor pairwise_iou(const Tensor& a, const Tensor& b) {
  static const auto op = find_box_op("retentive::pairwise_iou", iou);
  return op.call(a, b);
}

Tensor pairwise_iof(const Tensor& a, const Tensor& b) {
  static const auto op = find_box_op("retentive::pairwise_iof", iof);
  return op.call(a, b);
}

Tensor nms(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  static const auto op = find_box_op("retentive::nms", suppress);
  return op.call(boxes, scores, iou_threshold);
}

Tensor batched_nms(const Tensor& boxes, const Tensor& scores, const Tensor& ids, double iou_threshold) {
  static const auto op = find_box_op("retentive::batched_nms", suppress_by_id);
  return op.call(boxes, scores, ids, iou_threshold);
}

Tensor paste_masks(const Tensor& masks, const Tensor& boxes, int64_t height, int64_t width, double threshold) {
  static const auto op = find_box_op("retentive::paste_masks", paste);
  return op.call(masks, boxes, height, width, threshold);
}

}  // namespace retentive
