#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>
#include <string>

namespace retentive::testing {

/// The project's error metric: max|a-b| / max(1, max|ref|); infinite when sizes differ or a value is not finite.
template <class A, class B>
double deviation(const A& actual, const B& reference) {
  if (std::size(actual) != std::size(reference)) return INFINITY;
  double worst = 0, scale = 1;
  for (size_t i = 0; i < std::size(actual); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - static_cast<double>(reference[i]));
    worst = std::isfinite(difference) ? std::max(worst, difference) : INFINITY;
    scale = std::max(scale, std::abs(static_cast<double>(reference[i])));
  }
  return worst / scale;
}

/// Collects deviations and prints the worst when it goes out of scope.
class WorstDeviation {
 public:
  explicit WorstDeviation(std::string title) : title_(std::move(title)) {}
  ~WorstDeviation() { std::printf("  %-44s worst %.2e (%s)\n", title_.c_str(), worst_, where_.c_str()); }

  double add(const std::string& where, double value) {
    ++count_;
    if (where_.empty() || !(value <= worst_)) {
      worst_ = value;
      where_ = where;
    }
    return value;
  }

  int count() const { return count_; }

 private:
  int count_ = 0;
  std::string title_;
  std::string where_;
  double worst_ = 0;
};

}  // namespace retentive::testing
