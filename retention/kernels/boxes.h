#pragma once

#include <cstdint>

#include <retention/base/export.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

// Boxes are rows of four floats, left top (x0, y0) and right bottom (x1, y1); the area is (x1 - x0) * (y1 - y0), and 0
// where a side is not positive. Coordinates are finite.

/// What the intersection of two boxes is divided by: the area of their union, or that of the first box (which suits
/// regions of crowds). Where that area is 0, or too large for a float, the overlap is 0.
enum class BoxOverlap { iou, iof };

/// out[i, j] = overlap of a[i] with b[j]: [count_a, count_b].
RETENTIVE_API void pairwise_iou(const float* a, int64_t count_a, const float* b, int64_t count_b, BoxOverlap overlap,
                                float* out, int threads);

/// Greedy non-maximum suppression: boxes in the order of falling scores, equal ones by index; each is kept unless its
/// IoU with one kept before exceeds `threshold`. Writes the indices of the kept ones in that order to `kept` [count]
/// and returns how many they are. No score may be NaN.
RETENTIVE_API int64_t nms(const float* boxes, const float* scores, int64_t count, float threshold, int64_t* kept,
                          int threads);

/// nms() among the boxes of each id (class or pyramid level) by itself; the kept ones of all in one order of scores.
RETENTIVE_API int64_t batched_nms(const float* boxes, const float* scores, const int64_t* ids, int64_t count,
                                  float threshold, int64_t* kept, int threads);

/// Coordinates and areas of boxes, a column each.
struct BoxColumns {
  const float *x0, *y0, *x1, *y1, *area;

  BoxColumns from(int64_t first) const { return {x0 + first, y0 + first, x1 + first, y1 + first, area + first}; }
};

/// max(x1 - x0, 0) * max(y1 - y0, 0).
RETENTIVE_API float box_area(const float* box);

/// Entry points of the instruction sets; callers use the functions above. box_overlaps: out[j] = overlap of the box of
/// that area with others[j]. largest_ious: out[j] = the largest IoU of candidates[j] with one of `kept`.
#define RETENTIVE_DECLARE(isa)                                                                                      \
  namespace isa {                                                                                                   \
  void box_overlaps(const float* box, float area, const BoxColumns& others, int64_t count, BoxOverlap, float* out); \
  void largest_ious(const BoxColumns& candidates, int64_t count, const BoxColumns& kept, int64_t kept_count,        \
                    float* out);                                                                                    \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
