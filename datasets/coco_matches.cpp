#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include <datasets/detail/coco_matches.h>
#include <retention/base/parallel_for.h>

namespace retentive::datasets::detail {

namespace {

/// The truths of a cell as one area range sees them.
struct Truths {
  std::vector<int64_t> order;  ///< of the cell's truths, those that count first
  std::vector<uint8_t> ignored;
  std::vector<uint8_t> crowd;
};

Truths truths_of(const EvalInput& input, const EvalCell& cell, const double (&ends)[2]) {
  const auto ignored = [&](int64_t at) {
    const EvalObject& truth = input.truths[cell.truths[at]];
    return truth.crowd || truth.area < ends[0] || truth.area > ends[1];
  };
  Truths truths;
  for (const bool pass : {false, true}) {
    for (int64_t at = 0; at < static_cast<int64_t>(cell.truths.size()); ++at) {
      if (ignored(at) != pass) continue;
      truths.order.push_back(at);
      truths.ignored.push_back(pass);
      truths.crowd.push_back(input.truths[cell.truths[at]].crowd);
    }
  }
  return truths;
}

/// [detections, truths]
std::vector<double> overlaps(const EvalInput& input, const EvalCell& cell, CocoOverlap type) {
  std::vector<double> values;
  values.reserve(cell.detections.size() * cell.truths.size());
  for (const int64_t d : cell.detections) {
    const EvalObject& detection = input.detections[d];
    for (const int64_t t : cell.truths) {
      const EvalObject& truth = input.truths[t];
      values.push_back(type == CocoOverlap::bbox ? box_iou(detection.box, truth.box, truth.crowd)
                                                 : rle_iou(detection.mask, truth.mask, truth.crowd));
    }
  }
  return values;
}

/// The place in `truths` that a detection with these overlaps takes, or -1: the best one left, the last of equals, an
/// ignored one only when there is no other.
int64_t best_match(const Truths& truths, const std::vector<uint8_t>& taken, const double* overlap, double threshold) {
  double best = std::min(threshold, 1 - 1e-10);
  int64_t match = -1;
  for (size_t place = 0; place < truths.order.size(); ++place) {
    if (taken[place] && !truths.crowd[place]) continue;
    if (match >= 0 && !truths.ignored[match] && truths.ignored[place]) break;
    const double value = overlap[truths.order[place]];
    if (value < best) continue;
    best = value;
    match = static_cast<int64_t>(place);
  }
  return match;
}

}  // namespace

CellMatches match_cell(const EvalInput& input, const EvalCell& cell, CocoOverlap type,
                       const std::vector<double>& thresholds) {
  const std::vector<double> overlap = overlaps(input, cell, type);
  const size_t detections = cell.detections.size();
  CellMatches matches;
  matches.flags.resize(kAreas * thresholds.size() * detections);
  uint8_t* flags = matches.flags.data();
  std::vector<uint8_t> taken;
  for (int64_t area = 0; area < kAreas; ++area) {
    const double(&ends)[2] = kAreaEnds[area];
    const Truths truths = truths_of(input, cell, ends);
    matches.positives[area] = std::count(truths.ignored.begin(), truths.ignored.end(), 0);
    for (const double threshold : thresholds) {
      taken.assign(truths.order.size(), 0);
      for (size_t d = 0; d < detections; ++d, ++flags) {
        const int64_t match = best_match(truths, taken, overlap.data() + d * cell.truths.size(), threshold);
        bool matched = false;
        if (match >= 0) {
          taken[match] = 1;
          matched = input.truths[cell.truths[truths.order[match]]].counts;
          if (truths.ignored[match]) *flags |= kIgnored;
        }
        const double own_area = input.detections[cell.detections[d]].area;
        if (matched) *flags |= kMatched;
        if (!matched && (own_area < ends[0] || own_area > ends[1])) *flags |= kIgnored;
      }
    }
  }
  return matches;
}

void for_each_task(int64_t count, int threads, const std::function<void(int64_t)>& task) {
  std::atomic<int64_t> next = 0;
  std::exception_ptr first;
  std::mutex lock;
  const int workers = threads > 0 ? threads : default_threads();
  parallel_for(workers, workers, [&](int64_t, int64_t, int) {
    try {
      for (int64_t i = next++; i < count; i = next++) task(i);
    } catch (...) {
      next = count;
      const std::lock_guard hold(lock);
      if (!first) first = std::current_exception();
    }
  });
  if (first) std::rethrow_exception(first);
}

}  // namespace retentive::datasets::detail
