#include <bench/repeat.h>

#include <chrono>

namespace retentive::bench {

std::vector<double> time_calls(const std::function<void()>& call, int repetitions, double budget_s) {
  constexpr size_t kFewest = 3;
  std::vector<double> milliseconds;
  double total = 0;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
    milliseconds.push_back(spent.count());
    total += spent.count();
    if (budget_s > 0 && total > 1e3 * budget_s && milliseconds.size() >= kFewest) break;
  }
  return milliseconds;
}

}  // namespace retentive::bench
