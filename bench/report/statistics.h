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

/// The value that Student's t of `freedom` degrees stays below with probability 0.975. Throws InvalidArgument below 1.
RETENTIVE_API double student_t_975(int freedom);

/// Two-sided p value of the Mann-Whitney U test: whether values of one sample tend to be larger than those of the other
/// (normal approximation, corrected for ties and continuity). 1 when either is empty or all values are equal.
RETENTIVE_API double mann_whitney_p(const std::vector<double>& a, const std::vector<double>& b);

/// Holm's correction: p values of several tests, adjusted so that all hold at once. In the order given.
RETENTIVE_API std::vector<double> holm_adjusted(const std::vector<double>& p_values);

}  // namespace retentive::bench
