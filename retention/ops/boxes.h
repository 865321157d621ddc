#pragma once

#include <array>
#include <optional>

#include <ATen/core/Tensor.h>

#include <retention/base/export.h>

namespace retentive {

// Operators of detectors on CPU tensors. Boxes are rows (x0, y0, x1, y1), right bottom exclusive, of width x1 - x0.
// Each throws InvalidArgument when shapes or dtypes do not fit, a box is NaN or infinite, a score is NaN, or a
// threshold lies outside [0, 1]. Only roi_align, box_encode and box_decode have gradients.

/// Intersection over union of each box of a with each of b; 0 for boxes without area.
///
/// @param a, b  [N, 4] and [M, 4] float32
/// @return      [N, M] float32
RETENTIVE_API at::Tensor pairwise_iou(const at::Tensor& a, const at::Tensor& b);

/// As pairwise_iou, divided by the area of the box of a: what suits regions of crowds in b.
RETENTIVE_API at::Tensor pairwise_iof(const at::Tensor& a, const at::Tensor& b);

/// Greedy non-maximum suppression: a box is kept unless its IoU with a kept box of higher score (equal scores: lower
/// index) exceeds the threshold.
///
/// @param boxes   [N, 4] float32
/// @param scores  [N] float32
/// @return        [K] int64, indices of the kept boxes by falling score
RETENTIVE_API at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

/// nms() among the boxes of equal id (class, pyramid level) only; all kept ones by falling score. ids is [N] int64.
RETENTIVE_API at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& ids,
                                     double iou_threshold);

/// RoIAlign (Mask R-CNN, section 3), aligned: averages of bilinear samples in the bins of regions. Differentiable in
/// features; the gradient has the same bits for every number of threads.
///
/// @param features        [B, C, H, W] of one floating dtype; channels-last memory is taken as it is, other is copied
/// @param rois            [K, 5] float32, index of the image and box
/// @param spatial_scale   pixels of the map per unit of the boxes, such as 1 / stride
/// @param sampling_ratio  samples along each side of a bin; 0 = as many as the bin has pixels, rounded up
/// @return                [K, C, output_h, output_w] in the dtype of features, channels-last memory; 0 for a region
///                        without area
RETENTIVE_API at::Tensor roi_align(const at::Tensor& features, const at::Tensor& rois, double spatial_scale,
                                   int64_t output_h, int64_t output_w, int64_t sampling_ratio = 0);

/// Masks stretched over their boxes in an image, by bilinear sampling with zeros around the mask.
///
/// @param masks  [K, h, w] float32, probabilities
/// @param boxes  [K, 4] float32, in pixels of the image
/// @return       [K, height, width] uint8, 1 where the sample is at least `threshold`; 0 further than a pixel from the
///               box, and for boxes without area
RETENTIVE_API at::Tensor paste_masks(const at::Tensor& masks, const at::Tensor& boxes, int64_t height, int64_t width,
                                     double threshold);

/// Divisors of the four deltas.
using BoxStds = std::array<double, 4>;

/// Deltas from boxes to targets (R-CNN, appendix C): differences of the centres over the sizes of `boxes`, logarithms
/// of the ratios of the sizes; each over its std.
///
/// @param boxes, targets  [..., 4] of one floating dtype that broadcast together, all of positive size
/// @return                [..., 4]
RETENTIVE_API at::Tensor box_encode(const at::Tensor& boxes, const at::Tensor& targets,
                                    const BoxStds& stds = {1, 1, 1, 1});

/// The boxes that `deltas` make of `boxes`: the inverse of box_encode, where sizes change by at most 1000 / 16 either
/// way.
///
/// @param boxes, deltas  [..., 4] of one floating dtype that broadcast together
/// @param image          height and width that the result is clipped to
/// @return               [..., 4]
RETENTIVE_API at::Tensor box_decode(const at::Tensor& boxes, const at::Tensor& deltas,
                                    const BoxStds& stds = {1, 1, 1, 1},
                                    const std::optional<std::array<int64_t, 2>>& image = {});

}  // namespace retentive
