#pragma once

#include <cstdint>
#include <vector>

#include <retention/base/export.h>

namespace retentive::bench {

/// Of a set of measurements.
struct Summary {
  double median = 0;
  double p10 = 0;
  double p90 = 0;
};

/// Linear interpolation between the sorted values; `share` 0..1. Throws InvalidArgument for no values.
RETENTIVE_API double percentile(std::vector<double> values, double share);
RETENTIVE_API Summary summarise(const std::vector<double>& values);

/// Ratio of the medians b / a with its 95 % bootstrap interval (2,000 resamples, fixed seed).
struct RatioInterval {
  double ratio = 1;
  double low = 1;
  double high = 1;
};
RETENTIVE_API RatioInterval median_ratio(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace retentive::bench
