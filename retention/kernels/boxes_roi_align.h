#pragma once

#include <cstdint>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

/// Average of bilinear samples of channels-last maps [images, height, width, channels] in the bins of regions
/// (Mask R-CNN, section 3, "RoIAlign"; aligned: a region's coordinates, scaled, lose half a pixel). A sample more than
/// a pixel outside of the map counts as 0, one less far outside is moved to its edge.
struct RoiAlignProblem {
  int64_t images = 1;
  int64_t height = 1;
  int64_t width = 1;
  int64_t channels = 1;
  int64_t out_height = 7;
  int64_t out_width = 7;
  /// Pixels of the map per unit of the regions.
  float spatial_scale = 1;
  /// Samples along each side of a bin; 0 takes ceil(side of the region / bins along it).
  int64_t sampling_ratio = 0;
};

/// rois [count, 5]: index of the image, x0, y0, x1, y1, finite; out [count, out_height, out_width, channels]. A region
/// without area gives 0 (with sampling_ratio 0). Returns false, having done nothing, when no implementation runs here.
RETENTIVE_API bool roi_align(const RoiAlignProblem& problem, const float* features, const float* rois, int64_t count,
                             float* out, int threads);
RETENTIVE_API bool roi_align(const RoiAlignProblem& problem, const bfloat16* features, const float* rois, int64_t count,
                             bfloat16* out, int threads);

/// Adds the gradient for the maps to dfeatures; the same bits for every number of threads. Returns as roi_align().
RETENTIVE_API bool roi_align_backward(const RoiAlignProblem& problem, const float* dout, const float* rois,
                                      int64_t count, float* dfeatures, int threads);

/// The same as sums over the map: row i, column j of the region's bins is the sum over y and x of rows[i, y] *
/// columns[j, x] * map[y, x]. roi is one row of rois; rows [out_height, height], columns [out_width, width].
RETENTIVE_API void roi_weights(const RoiAlignProblem& problem, const float* roi, float* rows, float* columns);

/// The samples of a region along one side, gathered by pixel: bin i adds up weight[j] * pixel[j] for j in
/// [begin[i], begin[i + 1]). `offset` is where the pixel's row or column begins, in values.
struct RoiTaps {
  const int64_t* begin;
  const int64_t* offset;
  const float* weight;
};

/// One region of a map.
struct RoiBins {
  RoiTaps rows, columns;
  int64_t height, width, channels;
};

/// Entry points of the instruction sets; callers use the functions above. The gradient is that of the channels
/// [begin, end).
#define RETENTIVE_DECLARE(isa)                                                                            \
  namespace isa {                                                                                         \
  void roi_bins_f32(const RoiBins&, const float* map, float* out);                                        \
  void roi_bins_bf16(const RoiBins&, const bfloat16* map, bfloat16* out);                                 \
  void roi_bins_backward_f32(const RoiBins&, const float* dout, float* dmap, int64_t begin, int64_t end); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
