// Prints the nanoseconds of one round trip of a cache line between two CPUs: pingpong CPU_A CPU_B
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

constexpr int kTrips = 5000;
constexpr int kBatches = 9;

alignas(128) std::atomic<int> ball{0};

bool pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

void answer(int cpu) {
  pin(cpu);
  for (int trip = 0; trip < kTrips * kBatches; ++trip) {
    while (ball.load(std::memory_order_acquire) != 2 * trip + 1) {
    }
    ball.store(2 * trip + 2, std::memory_order_release);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || !pin(std::atoi(argv[1]))) {
    std::fprintf(stderr, "usage: pingpong CPU_A CPU_B\n");
    return 2;
  }
  std::thread other(answer, std::atoi(argv[2]));
  double best = 1e9;
  for (int batch = 0; batch < kBatches; ++batch) {
    const auto start = std::chrono::steady_clock::now();
    for (int trip = batch * kTrips; trip < (batch + 1) * kTrips; ++trip) {
      ball.store(2 * trip + 1, std::memory_order_release);
      while (ball.load(std::memory_order_acquire) != 2 * trip + 2) {
      }
    }
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    best = std::min(best, spent.count() / kTrips);
  }
  other.join();
  std::printf("%.1f\n", best);
  return 0;
}
