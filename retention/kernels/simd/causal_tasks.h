#pragma once

#include <retention/base/parallel_for.h>
#include <retention/kernels/causal_plan.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Divides tasks 0..tasks-1, each of some weight, into contiguous runs of about equal weight.
template <class Weight>
class Balance {
 public:
  Balance(int64_t tasks, int64_t workers, Weight weight) : tasks_(tasks), workers_(workers), weight_(weight) {
    for (int64_t task = 0; task < tasks; ++task) total_ += weight_(task);
  }

  /// Calls fn(task, worker) for all tasks.
  template <class F>
  void for_each(F&& fn) const {
    double before = 0;
    for (int64_t task = 0; task < tasks_; ++task) {
      const double weight = weight_(task);
      const auto worker = static_cast<int64_t>((before + weight / 2) / total_ * static_cast<double>(workers_));
      fn(task, smaller(worker, workers_ - 1));
      before += weight;
    }
  }

  /// Weight of the busiest worker, relative to an equal share.
  double busiest() const {
    double most = 0, load = 0;
    int64_t current = 0;
    for_each([&](int64_t task, int64_t worker) {
      load = (worker == current ? load : 0) + weight_(task);
      current = worker;
      most = load > most ? load : most;
    });
    return total_ > 0 ? most * static_cast<double>(workers_) / total_ : 1;
  }

  /// Runs fn(task, worker) on threads; each worker is one thread.
  template <class F>
  void run(F&& fn) const {
    parallel_for(workers_, static_cast<int>(workers_), [&](int64_t begin, int64_t end, int) {
      for_each([&](int64_t task, int64_t worker) {
        if (worker >= begin && worker < end) fn(task, worker);
      });
    });
  }

 private:
  int64_t tasks_, workers_;
  Weight weight_;
  double total_ = 0;
};

/// A block of value columns, in strips, of one head of one sequence.
struct ColumnTask {
  int64_t sequence, head, first, count;
};

/// The tasks of a call: each head of each sequence in `parts` blocks of columns.
class ColumnTasks {
 public:
  /// As few parts of at most `most` strips as leave no thread idle for long. Without ranges each of the problem's
  /// sequences is one token.
  ColumnTasks(const CausalProblem& p, int64_t strips, int64_t most, int threads)
      : p_(p), strips_(strips), threads_(threads) {
    const int64_t least = (strips + most - 1) / most;
    double best = 0;
    for (int64_t parts = least; parts <= smaller(strips, least + threads - 1); ++parts) {
      const double busiest = balance(parts).busiest();
      if (best != 0 && busiest > 0.95 * best) continue;
      best = busiest;
      parts_ = parts;
      if (best < 1.1) break;
    }
  }

  /// Calls fn(task, worker) for all tasks, on threads.
  template <class F>
  void run(F&& fn) const {
    balance(parts_).run([&](int64_t task, int64_t worker) { fn(at(task, parts_), worker); });
  }

 private:
  ColumnTask at(int64_t task, int64_t parts) const {
    const int64_t part = task % parts, head = task / parts;
    const int64_t first = strips_ * part / parts;
    return {head / p_.heads, head % p_.heads, first, strips_ * (part + 1) / parts - first};
  }

  struct Weight {
    const ColumnTasks* tasks;
    int64_t parts;

    double operator()(int64_t index) const {
      const ColumnTask task = tasks->at(index, parts);
      const TokenRange* const ranges = tasks->p_.sequences;
      const int64_t tokens = ranges == nullptr ? 1 : ranges[task.sequence].end - ranges[task.sequence].begin;
      return static_cast<double>(tokens * task.count + 1);
    }
  };

  Balance<Weight> balance(int64_t parts) const {
    return {p_.sequence_count * p_.heads * parts, threads_, Weight{this, parts}};
  }

  CausalProblem p_;
  int64_t strips_;
  int threads_;
  int64_t parts_ = 1;
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
