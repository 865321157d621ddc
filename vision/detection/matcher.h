#pragma once

#include <cstdint>
#include <utility>

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::vision {

/// Intersection-over-union thresholds by which boxes are given to objects (mmdetection's MaxIoUAssigner).
struct MatcherOptions {
  double positive = 0.5;     ///< at or above: the box belongs to its best object
  double negative = 0.5;     ///< below: background; between: ignored
  double low_quality = 0.5;  ///< an object's own best boxes belong to it from here on; above 1 = never
};

constexpr int64_t kBackground = -1;
constexpr int64_t kIgnored = -2;

/// For boxes with overlaps [objects, boxes]: the object of each box, kBackground or kIgnored, int64 [boxes].
/// Boxes that overlap no object are background even where low_quality is 0.
RETENTIVE_API torch::Tensor match(const torch::Tensor& overlaps, const MatcherOptions& options);

/// At most `count` boxes of a match() at random, of them at most `positive_share` positive; all remaining places go to
/// background ones. Returns the indices of positive and of background boxes.
RETENTIVE_API std::pair<torch::Tensor, torch::Tensor> sample(const torch::Tensor& matched, int64_t count,
                                                             double positive_share, const at::Generator& generator);

}  // namespace retentive::vision
