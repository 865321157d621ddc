#include <algorithm>
#include <cmath>
#include <random>

#include <bench/report/statistics.h>
#include <retention/base/error.h>

namespace retentive::bench {

double percentile(std::vector<double> values, double share) {
  if (values.empty()) throw InvalidArgument("[statistics] no measurements; at least one is needed");
  std::sort(values.begin(), values.end());
  const double position = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(std::floor(position));
  const auto above = std::min(below + 1, values.size() - 1);
  return values[below] + (position - static_cast<double>(below)) * (values[above] - values[below]);
}

Summary summarise(const std::vector<double>& values) {
  return {percentile(values, 0.5), percentile(values, 0.1), percentile(values, 0.9)};
}

RatioInterval median_ratio(const std::vector<double>& a, const std::vector<double>& b) {
  constexpr int kResamples = 2000;
  std::mt19937_64 random(1);
  const auto resampled_median = [&](const std::vector<double>& values) {
    std::uniform_int_distribution<size_t> pick(0, values.size() - 1);
    std::vector<double> sample(values.size());
    for (double& value : sample) value = values[pick(random)];
    return percentile(std::move(sample), 0.5);
  };
  std::vector<double> ratios(kResamples);
  RatioInterval result{.ratio = percentile(b, 0.5) / percentile(a, 0.5)};
  for (double& ratio : ratios) ratio = resampled_median(b) / resampled_median(a);
  result.low = percentile(ratios, 0.025);
  result.high = percentile(ratios, 0.975);
  return result;
}

}  // namespace retentive::bench
