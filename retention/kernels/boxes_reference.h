#pragma once

#include <retention/kernels/boxes.h>
#include <retention/kernels/boxes_paste.h>
#include <retention/kernels/boxes_roi_align.h>

namespace retentive::retention {

// What boxes.h, boxes_roi_align.h and boxes_paste.h say, in plain loops.

RETENTIVE_API void pairwise_iou_reference(const float* a, int64_t count_a, const float* b, int64_t count_b,
                                          BoxOverlap overlap, float* out);

RETENTIVE_API int64_t nms_reference(const float* boxes, const float* scores, int64_t count, float threshold,
                                    int64_t* kept);
RETENTIVE_API int64_t batched_nms_reference(const float* boxes, const float* scores, const int64_t* ids, int64_t count,
                                            float threshold, int64_t* kept);

RETENTIVE_API void roi_align_reference(const RoiAlignProblem& problem, const float* features, const float* rois,
                                       int64_t count, float* out);

RETENTIVE_API void roi_align_backward_reference(const RoiAlignProblem& problem, const float* dout, const float* rois,
                                                int64_t count, float* dfeatures);

RETENTIVE_API void paste_masks_reference(const PasteMasksProblem& problem, const float* masks, const float* boxes,
                                         uint8_t* out);

}  // namespace retentive::retention
