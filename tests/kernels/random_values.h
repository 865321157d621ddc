#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <retention/base/bfloat16.h>

namespace retentive::testing {

inline std::vector<float> normal(int64_t count, uint64_t seed, float mean = 0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> distribution(mean, 1.0f);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(random);
  return values;
}

/// Values that bfloat16 holds exactly, so that a kernel's own rounding is all that is measured.
inline std::vector<float> rounded(std::vector<float> values) {
  for (float& value : values) value = static_cast<float>(bfloat16(value));
  return values;
}

template <class T>
std::vector<T> converted(const std::vector<float>& values) {
  return std::vector<T>(values.begin(), values.end());
}

inline std::vector<float> widened(const std::vector<bfloat16>& values) {
  return std::vector<float>(values.begin(), values.end());
}

}  // namespace retentive::testing
