#include <string>

#include <datasets/detail/batching.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

// Far from any dataset index, so that the order and the augmentation of a sample share no generator.
constexpr uint64_t kOrderStream = ~uint64_t{0};

void require(bool good, const char* name, int64_t value, const char* accepted) {
  if (good) return;
  throw InvalidArgument(std::string("[loader] ") + name + " is " + std::to_string(value) + "; " + accepted);
}

}  // namespace

Rng order_generator(uint64_t seed, int64_t epoch) { return Rng(derive_seed(seed, epoch, kOrderStream)); }

int64_t batch_count(int64_t samples, int64_t batch_size, bool drop_last) {
  return drop_last ? samples / batch_size : (samples + batch_size - 1) / batch_size;
}

void check_batching(int64_t batch_size, int64_t workers, int64_t prefetch, int64_t samples) {
  require(batch_size > 0, "batch_size", batch_size, "it must be positive");
  require(workers >= 0 && workers <= 256, "workers", workers, "0 to 256 is accepted");
  require(prefetch > 0 && prefetch <= 65536, "prefetch", prefetch, "1 to 65536 is accepted");
  require(samples > 0, "the size of the set", samples, "a sample at least is needed");
}

void check_any_batch(int64_t batches, int64_t batch_size) {
  require(batches > 0, "drop_last is set and batch_size", batch_size, "it must not exceed the set's size");
}

void check_epoch_number(int64_t number) { require(number >= 0, "epoch", number, "it must not be negative"); }

}  // namespace retentive::datasets::detail
