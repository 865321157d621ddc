#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <random>
#include <string>

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

double student_t_975(int freedom) {
  if (freedom < 1) {
    throw InvalidArgument("[statistics] " + std::to_string(freedom) + " degrees of freedom; at least 1 is accepted");
  }
  constexpr double kTable[] = {12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462,
                               2.306,   2.26216, 2.22814, 2.20099, 2.17881, 2.16037, 2.14479};
  constexpr int kLast = static_cast<int>(std::size(kTable));
  if (freedom <= kLast) return kTable[freedom - 1];
  // Cornish-Fisher expansion around the normal quantile (Abramowitz and Stegun, 26.7.5).
  const double z = 1.959964, n = freedom, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

double mann_whitney_p(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<std::pair<double, bool>> values;  // value, of the first sample
  for (const double value : a) values.emplace_back(value, true);
  for (const double value : b) values.emplace_back(value, false);
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size()), na = static_cast<double>(a.size()), nb = n - na;
  double rank_sum = 0, ties = 0;
  for (size_t begin = 0, end = 0; begin < values.size(); begin = end) {
    while (end < values.size() && values[end].first == values[begin].first) ++end;
    const double rank = static_cast<double>(begin + 1 + end) / 2, count = static_cast<double>(end - begin);
    for (size_t i = begin; i < end; ++i) rank_sum += values[i].second ? rank : 0;
    ties += count * count * count - count;
  }
  const double u = rank_sum - na * (na + 1) / 2, mean = na * nb / 2;
  const double variance = na * nb / 12 * (n + 1 - ties / (n * (n - 1)));
  if (!(variance > 0)) return 1;
  const double z = std::max(0.0, std::abs(u - mean) - 0.5) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
}

std::vector<double> holm_adjusted(const std::vector<double>& p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p_values[i] < p_values[j]; });
  std::vector<double> adjusted(p_values.size());
  double least = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    least = std::max(least, std::min(1.0, static_cast<double>(order.size() - k) * p_values[order[k]]));
    adjusted[order[k]] = least;
  }
  return adjusted;
}

}  // namespace retentive::bench
