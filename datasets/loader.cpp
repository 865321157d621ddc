#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>

#include <datasets/loader.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

// Far from any dataset index, so that the order and the augmentation of a sample share no generator.
constexpr uint64_t kOrderStream = ~uint64_t{0};

std::vector<int64_t> epoch_order(int64_t size, const LoaderOptions& options, int64_t epoch) {
  std::vector<int64_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  if (!options.shuffle) return order;
  Rng rng(derive_seed(options.seed, epoch, kOrderStream));
  for (int64_t i = size - 1; i > 0; --i) std::swap(order[i], order[uniform_below(rng, i + 1)]);
  return order;
}

int64_t batch_count(int64_t samples, const LoaderOptions& options) {
  return options.drop_last ? samples / options.batch_size : (samples + options.batch_size - 1) / options.batch_size;
}

}  // namespace

/// Workers claim batch numbers in order and leave finished batches (or what they threw) in `done_`.
class Epoch::Impl {
 public:
  Impl(const Dataset& dataset, const LoaderOptions& options, int64_t number)
      : dataset_(dataset), options_(options), number_(number), order_(epoch_order(dataset.size(), options, number)) {
    batches_ = batch_count(dataset.size(), options_);
    const int64_t workers = std::min(options_.workers, batches_);
    ahead_ = workers * options_.prefetch;
    try {
      for (int64_t i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }

  ~Impl() { stop(); }

  std::optional<Batch> next() {
    if (delivered_ == batches_) return std::nullopt;
    if (workers_.empty()) {
      const int64_t batch = delivered_;
      delivered_ = batches_;  // stays so when the batch throws
      Batch made = make_batch(batch);
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
    Batch batch;
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
        result.batch = make_batch(batch);
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

  Batch make_batch(int64_t number) const {
    const auto& crop = options_.preprocessing.crop;
    const int64_t first = number * options_.batch_size;
    Batch batch;
    batch.size = std::min(options_.batch_size, dataset_.size() - first);
    batch.channels = static_cast<int64_t>(options_.preprocessing.mean.size());
    batch.height = crop[0];
    batch.width = crop[1];
    const int64_t values = batch.channels * batch.height * batch.width;
    batch.images.resize(batch.size * values);
    for (int64_t i = 0; i < batch.size; ++i) {
      const int64_t index = order_[first + i];
      Sample sample = dataset_.get(index);
      float* out = batch.images.data() + i * values;
      if (options_.augment) {
        Rng rng(derive_seed(options_.seed, number_, index));
        train_transform(sample.image, options_.preprocessing, *options_.augment, rng, out);
      } else {
        evaluation_transform(sample.image, options_.preprocessing, out);
      }
      batch.labels.push_back(sample.label);
      batch.names.push_back(std::move(sample.name));
    }
    return batch;
  }

  const Dataset& dataset_;
  const LoaderOptions options_;
  const int64_t number_;
  const std::vector<int64_t> order_;
  int64_t batches_ = 0;
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

Epoch::Epoch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Epoch::Epoch(Epoch&&) noexcept = default;
Epoch& Epoch::operator=(Epoch&&) noexcept = default;
Epoch::~Epoch() = default;

std::optional<Batch> Epoch::next() { return impl_->next(); }

Loader::Loader(const Dataset& dataset, LoaderOptions options) : dataset_(&dataset), options_(std::move(options)) {
  const auto require = [](bool good, const char* name, int64_t value, const char* accepted) {
    if (good) return;
    throw InvalidArgument(std::string("[loader] ") + name + " is " + std::to_string(value) + "; " + accepted);
  };
  require(options_.batch_size > 0, "batch_size", options_.batch_size, "it must be positive");
  require(options_.workers >= 0 && options_.workers <= 256, "workers", options_.workers, "0 to 256 is accepted");
  require(options_.prefetch > 0 && options_.prefetch <= 65536, "prefetch", options_.prefetch, "1 to 65536 is accepted");
  require(dataset.size() > 0, "the size of the set", dataset.size(), "a sample at least is needed");
  require(size() > 0, "drop_last is set and batch_size", options_.batch_size, "it must not exceed the set's size");
  check_preprocessing(options_.preprocessing);
  if (options_.augment) check_augment(*options_.augment);
}

int64_t Loader::size() const { return batch_count(dataset_->size(), options_); }

Epoch Loader::epoch(int64_t number) const {
  if (number < 0) throw InvalidArgument("[loader] epoch is " + std::to_string(number) + "; it must not be negative");
  return Epoch(std::make_unique<Epoch::Impl>(*dataset_, options_, number));
}

}  // namespace retentive::datasets
