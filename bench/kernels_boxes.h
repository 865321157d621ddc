#pragma once

#include <bench/kernels.h>

namespace retentive::bench {

/// Suppression at IoU 0.7 among boxes spread over an image: most are kept, which costs most.
struct NmsShape {
  const char* name;
  int64_t boxes;
};

/// Features of regions from the four levels of a pyramid (strides 4 to 32) of an image of 800x1344.
struct RoiAlignShape {
  const char* name;
  int64_t rois, output, channels;
};

inline constexpr NmsShape kNmsShapes[] = {{"nms_1000", 1000}, {"nms_10000", 10000}};
inline constexpr RoiAlignShape kRoiAlignShapes[] = {{"roi_align_512x7x7x256", 512, 7, 256}};

KernelResult measure(const NmsShape& shape, Precision precision, int repetitions);
KernelResult measure(const RoiAlignShape& shape, Precision precision, int repetitions);

}  // namespace retentive::bench
