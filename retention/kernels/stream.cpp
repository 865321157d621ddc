#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include <retention/base/error.h>
#include <retention/base/large_pages.h>
#include <retention/base/parallel_for.h>
#include <retention/kernels/stream.h>

namespace retentive::retention {
namespace {

constexpr int64_t kLine = 8;  // words of a cache line: each has a sum of its own, so that vectors serve

uint64_t sum(const uint64_t* words, int64_t count) {
  uint64_t sums[2 * kLine] = {};
  for (int64_t i = 0; i < count; i += 2 * kLine) {
    for (int64_t k = 0; k < 2 * kLine; ++k) sums[k] += words[i + k];
  }
  uint64_t total = 0;
  for (const uint64_t part : sums) total += part;
  return total;
}

}  // namespace

double read_bandwidth(int64_t bytes, int threads, int passes) {
  constexpr int64_t task = 1 << 15, smallest = 1 << 20;  // words, bytes
  if (bytes < smallest || threads < 1 || passes < 1) {
    throw InvalidArgument("[read_bandwidth] bytes is " + std::to_string(bytes) + ", threads " +
                          std::to_string(threads) + ", passes " + std::to_string(passes) +
                          "; at least 1048576 bytes, 1 thread and 1 pass are accepted");
  }
  const int64_t tasks = bytes / (task * 8);
  const auto memory = allocate_large(tasks * task * 8);
  auto* const words = static_cast<uint64_t*>(memory.get());
  parallel_for(tasks, threads, [&](int64_t begin, int64_t end, int) {
    std::fill(words + begin * task, words + end * task, uint64_t{1});
  });
  double best = 0;
  for (int pass = 0; pass < passes; ++pass) {
    std::atomic<uint64_t> total = 0;
    const auto start = std::chrono::steady_clock::now();
    parallel_for(tasks, threads,
                 [&](int64_t begin, int64_t end, int) { total += sum(words + begin * task, (end - begin) * task); });
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    // Always so; the sum must be used, or it would not be computed.
    if (total == static_cast<uint64_t>(tasks * task)) best = std::max(best, tasks * task * 8 / spent.count());
  }
  return best;
}

}  // namespace retentive::retention
