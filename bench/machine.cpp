#include <malloc.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <thread>
#include <vector>

#include <torch/version.h>

#include <bench/commit.h>
#include <bench/machine.h>
#include <bench/report/statistics.h>
#include <models/version.h>
#include <retention/base/buffer_pool.h>
#include <retention/base/cpu_isa.h>
#include <retention/kernels/stream.h>
#include <retention/packed/library.h>
#include <retention/packed/linear.h>

namespace retentive::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::vector<int> allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return processors;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) processors.push_back(cpu);
  }
  return processors;
}

void pin(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

double status_mb(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::stod(line.substr(field.size())) / 1024;  // in kB
  }
  return 0;
}

}  // namespace

double pingpong_ns() {
  constexpr int kTrips = 20'000;
  const auto processors = allowed_processors();
  if (processors.size() < 2) return 0;
  alignas(64) std::atomic<int> turn{0};
  const auto play = [&](int processor, int mine) {
    pin(processor);
    for (int trip = 0; trip < kTrips; ++trip) {
      while (turn.load(std::memory_order_acquire) != mine) {
      }
      turn.store(1 - mine, std::memory_order_release);
    }
  };
  std::thread second(play, processors[1], 1);
  double nanoseconds = 0;
  std::thread first([&] {
    const auto start = Clock::now();
    play(processors[0], 0);
    nanoseconds = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  });
  first.join();
  second.join();
  return nanoseconds / kTrips;
}

Machine describe_machine() {
  Machine machine;
  machine.cpu = cpu_name();
  machine.isa = enum_name(cpu_isa());
  machine.cores = static_cast<int64_t>(allowed_processors().size());
  machine.retentive = version();
  machine.libtorch = TORCH_VERSION;
  machine.onednn = packed::onednn_version();
  double load = 0;
  if (getloadavg(&load, 1) == 1) machine.load = load;
  machine.pingpong_ns = pingpong_ns();
  return machine;
}

double peak_gmacs_per_s(Precision precision, int threads) {
  constexpr int64_t kSide = 1024;
  constexpr int kRuns = 12;
  const std::vector<float> ones(kSide * kSide, 1.0f);
  const packed::Linear linear(kSide, kSide, precision, ones.data(), nullptr);
  // Bits of any element type: int8 and bf16 values of 0 to start from.
  const std::vector<float> x(kSide * kSide);
  std::vector<float> y(kSide * kSide);
  std::vector<double> seconds;
  for (int run = 0; run < kRuns; ++run) {
    const auto start = Clock::now();
    linear.run(kSide, x.data(), ones.data(), y.data(), {.threads = threads});
    if (run >= 2) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  return static_cast<double>(kSide * kSide * kSide) * 1e-9 / percentile(seconds, 0.1);
}

double read_bandwidth_gb_per_s(int threads) { return retention::read_bandwidth(int64_t{1} << 30, threads) * 1e-9; }

double rss_mb() { return status_mb("VmRSS:"); }

double peak_rss_mb() { return status_mb("VmHWM:"); }

void reset_peak_rss() {
  BufferPool::shared().trim();
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
}

Results new_results(const std::string& command, int threads) {
  Results results;
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::time_t time = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  results.created = text;
  results.commit = built_commit();
  results.command = command;
  results.machine = describe_machine();
  results.threads = threads;
  return results;
}

}  // namespace retentive::bench
