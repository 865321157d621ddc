#include <algorithm>

#include <retention/base/parallel_for.h>

#ifdef RETENTIVE_STD_THREAD
#include <thread>
#include <vector>
#else
#include <omp.h>
#endif

namespace retentive {
namespace {

void run_range(int64_t tasks, int workers, int worker, RangeFunction body, void* context) {
  const int64_t begin = tasks * worker / workers;
  const int64_t end = tasks * (worker + 1) / workers;
  if (begin < end) body(context, begin, end, worker);
}

}  // namespace

void parallel_ranges(int64_t tasks, int threads, RangeFunction body, void* context) {
  const int workers = static_cast<int>(std::clamp<int64_t>(threads, 1, std::max<int64_t>(tasks, 1)));
  if (workers == 1) {
    run_range(tasks, 1, 0, body, context);
    return;
  }
#ifdef RETENTIVE_STD_THREAD
  std::vector<std::jthread> others;
  for (int worker = 1; worker < workers; ++worker) {
    others.emplace_back([=] { run_range(tasks, workers, worker, body, context); });
  }
  run_range(tasks, workers, 0, body, context);
#else
#pragma omp parallel num_threads(workers)
  {
    // OpenMP may give fewer threads than asked for.
    for (int worker = omp_get_thread_num(); worker < workers; worker += omp_get_num_threads()) {
      run_range(tasks, workers, worker, body, context);
    }
  }
#endif
}

int default_threads() {
#ifdef RETENTIVE_STD_THREAD
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#else
  return omp_get_max_threads();
#endif
}

}  // namespace retentive
