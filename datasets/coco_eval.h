#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <datasets/coco.h>
#include <retention/base/enum_names.h>
#include <retention/base/export.h>

namespace retentive::datasets {

/// What of an object is compared: its box or its mask.
enum class CocoOverlap { bbox, segm };

struct CocoEvalOptions {
  /// Detections of an image and category that count, best first, ascending; the last holds for all but AR of the
  /// first two.
  std::array<int64_t, 3> max_dets = {1, 10, 100};
  std::vector<double> iou_thresholds = {};  ///< none = 0.5, 0.55, ..., 0.95
  int threads = 0;                          ///< 0 = as parallel_for.h has it
};

struct CocoClassScore {
  int64_t category_id = 0;
  std::string name;
  double ap = -1;  ///< mean over the IoU thresholds, all areas; -1 where there is nothing to find
};

struct CocoEval {
  /// AP, AP50, AP75, AP small, medium, large; AR for each of max_dets; AR small, medium, large. -1 where undefined.
  std::array<double, 12> stats = {};
  std::vector<CocoClassScore> per_class;  ///< in the order of the categories
  int64_t dropped = 0;                    ///< results of categories that the annotations lack
  CocoEvalOptions options;                ///< with the IoU thresholds that were used
};

/// Average precision and recall as the COCO benchmark defines them, equal to pycocotools' COCOeval: greedy matching by
/// score within an image and category, crowds and objects out of the area range ignored, precision made monotone and
/// read at 101 recalls. The area of a detection is its box's when the first result has a box, else its mask's.
/// As there, a match with an annotation whose id is 0 does not count (number annotations from 1), and results of
/// categories that the annotations lack are dropped.
/// Throws DataError naming the result for an image that the annotations do not have and for a box or mask that is
/// missing or does not fit its image; InvalidArgument for wrong options.
RETENTIVE_API CocoEval evaluate_coco(const CocoAnnotations& annotations, std::span<const CocoResult> results,
                                     CocoOverlap type, const CocoEvalOptions& options = {});

/// The twelve lines that COCO's tools print.
RETENTIVE_API std::string stats_text(const CocoEval& evaluation);

}  // namespace retentive::datasets

template <>
struct retentive::EnumNames<retentive::datasets::CocoOverlap> {
  using Overlap = retentive::datasets::CocoOverlap;
  static constexpr std::array<std::pair<Overlap, std::string_view>, 2> table = {
      {{Overlap::bbox, "bbox"}, {Overlap::segm, "segm"}}};
};
