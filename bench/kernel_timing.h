#pragma once

#include <chrono>
#include <vector>

#include <bench/kernels.h>

namespace retentive::bench {

/// Times of fn(i), i = 0, 1, ..., in microseconds, after five calls that are not counted.
template <class F>
Summary time_calls(int repetitions, const F& fn) {
  std::vector<double> times;
  for (int i = -5; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    fn(i + 5);
    const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
    if (i >= 0) times.push_back(spent.count());
  }
  return summarise(times);
}

}  // namespace retentive::bench
