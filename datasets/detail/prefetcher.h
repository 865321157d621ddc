#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <datasets/epoch.h>

namespace retentive::datasets::detail {

/// Delivers make(0) .. make(batches - 1) in order. Workers claim batch numbers in order and leave finished batches (or
/// what they threw) in `done_`; without workers the caller makes each batch when it asks.
template <class BatchType>
class Prefetcher final : public BatchSource<BatchType> {
 public:
  using Make = std::function<BatchType(int64_t)>;

  /// At most `prefetch` batches per worker are in preparation or waiting. `make` is called from several threads.
  Prefetcher(int64_t batches, int64_t worker_count, int64_t prefetch, Make make)
      : make_(std::move(make)), batches_(batches) {
    const int64_t workers = std::min(worker_count, batches_);
    ahead_ = workers * prefetch;
    try {
      for (int64_t i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }

  ~Prefetcher() override { stop(); }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  std::optional<BatchType> next() override {
    if (delivered_ == batches_) return std::nullopt;
    if (workers_.empty()) {
      const int64_t batch = delivered_;
      delivered_ = batches_;  // stays so when the batch throws
      BatchType made = make_(batch);
      delivered_ = batch + 1;
      return made;
    }
    Result result = wait_for_result();
    if (result.error) {
      stop();
      std::rethrow_exception(result.error);
    }
    return std::move(result.batch);
  }

 private:
  struct Result {
    BatchType batch;
    std::exception_ptr error;
  };

  Result wait_for_result() {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return done_.contains(delivered_); });
    auto node = done_.extract(delivered_);
    delivered_ = node.mapped().error ? batches_ : delivered_ + 1;
    lock.unlock();
    claimable_.notify_all();
    return std::move(node.mapped());
  }

  bool may_claim() const { return claimed_ < delivered_ + ahead_; }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      claimable_.wait(lock, [this] { return stopping_ || claimed_ == batches_ || may_claim(); });
      if (stopping_ || claimed_ == batches_) return;
      const int64_t batch = claimed_++;
      lock.unlock();
      Result result;
      try {
        result.batch = make_(batch);
      } catch (...) {
        result.error = std::current_exception();
      }
      lock.lock();
      done_.emplace(batch, std::move(result));
      finished_.notify_one();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    claimable_.notify_all();
    for (std::thread& worker : workers_) {
      if (worker.joinable()) worker.join();
    }
  }

  const Make make_;
  const int64_t batches_;
  int64_t ahead_ = 0;  // set before any worker starts

  std::mutex mutex_;
  std::condition_variable claimable_;
  std::condition_variable finished_;
  std::map<int64_t, Result> done_;
  int64_t claimed_ = 0;
  int64_t delivered_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace retentive::datasets::detail
