#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <datasets/coco_eval.h>

namespace retentive::datasets::detail {

/// Area ranges: all, small, medium, large. Both ends belong to a range.
inline constexpr double kAreaEnds[4][2] = {{0, 1e10}, {0, 32.0 * 32}, {32.0 * 32, 96.0 * 96}, {96.0 * 96, 1e10}};
inline constexpr int64_t kAreas = 4;

/// An annotation or result as matching sees it.
struct EvalObject {
  CocoBox box = {};
  double area = 0;
  double score = 0;
  bool crowd = false;
  bool counts = true;  ///< whether a match with it is one
  RleMask mask;        ///< segm only
};

/// The objects of one image and category.
struct EvalCell {
  int64_t label = 0;
  int64_t image = 0;  ///< rank of the image's id
  std::vector<int64_t> truths;
  std::vector<int64_t> detections;  ///< best first, at most the largest of max_dets
};

struct EvalInput {
  std::vector<EvalObject> truths;
  std::vector<EvalObject> detections;
  std::vector<EvalCell> cells;  ///< by label, then image
  int64_t dropped = 0;          ///< results of unknown categories, which no cell has
};

/// Flags of a detection at one area range and threshold.
inline constexpr uint8_t kMatched = 1;
inline constexpr uint8_t kIgnored = 2;

struct CellMatches {
  std::vector<uint8_t> flags;      ///< [areas, thresholds, detections]
  int64_t positives[kAreas] = {};  ///< truths that are not ignored
};

/// Checks and groups what is to be compared; throws as evaluate_coco does.
EvalInput prepare_eval(const CocoAnnotations& annotations, std::span<const CocoResult> results, CocoOverlap type,
                       int64_t most_detections, int threads);

CellMatches match_cell(const EvalInput& input, const EvalCell& cell, CocoOverlap type,
                       const std::vector<double>& thresholds);

/// Calls task(0..count-1) on `threads` threads, each taking the next one; rethrows the first exception.
void for_each_task(int64_t count, int threads, const std::function<void(int64_t)>& task);

}  // namespace retentive::datasets::detail
