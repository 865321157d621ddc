#include <cmath>

#include <retention/kernels/boxes.h>
#include <retention/kernels/simd/rows.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Some boxes, one in each lane.
struct Lanes {
  Floats x0, y0, x1, y1, area;
};

inline Lanes load_boxes(const BoxColumns& boxes, int64_t i, int64_t n) {
  return {load_part(boxes.x0 + i, n), load_part(boxes.y0 + i, n), load_part(boxes.x1 + i, n),
          load_part(boxes.y1 + i, n), load_part(boxes.area + i, n)};
}

inline Lanes spread_box(const BoxColumns& boxes, int64_t i) {
  return {broadcast(boxes.x0[i]), broadcast(boxes.y0[i]), broadcast(boxes.x1[i]), broadcast(boxes.y1[i]),
          broadcast(boxes.area[i])};
}

inline Floats intersection(const Lanes& a, const Lanes& b) {
  const Floats width = max(sub(min(a.x1, b.x1), max(a.x0, b.x0)), zero());
  const Floats height = max(sub(min(a.y1, b.y1), max(a.y0, b.y0)), zero());
  return mul(width, height);
}

inline Floats union_of(const Lanes& a, const Lanes& b, Floats common) { return sub(add(a.area, b.area), common); }

}  // namespace

void box_overlaps(const float* box, float area, const BoxColumns& others, int64_t count, BoxOverlap overlap,
                  float* out) {
  const Lanes one = spread_box({box, box + 1, box + 2, box + 3, &area}, 0);
  for_each_vector(count, [&](int64_t j, int64_t n) {
    const Lanes boxes = load_boxes(others, j, n);
    const Floats common = intersection(one, boxes);
    const Floats whole = overlap == BoxOverlap::iou ? union_of(one, boxes, common) : one.area;
    const Floats ratio = keep_greater(div(common, whole), whole, zero());
    store_part(out + j, keep_greater(ratio, broadcast(INFINITY), whole), n);
  });
}

void largest_ious(const BoxColumns& candidates, int64_t count, const BoxColumns& kept, int64_t kept_count, float* out) {
  for_each_vector(count, [&](int64_t j, int64_t n) {
    const Lanes boxes = load_boxes(candidates, j, n);
    Floats largest = zero();
    for (int64_t k = 0; k < kept_count; ++k) {
      const Lanes box = spread_box(kept, k);
      const Floats common = intersection(box, boxes);
      // Of 0 / 0 the maximum is its second operand.
      largest = max(div(common, union_of(box, boxes, common)), largest);
    }
    store_part(out + j, largest, n);
  });
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
