#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <datasets/random.h>

namespace retentive::datasets::detail {

/// The generator of an epoch's order: of no sample's augmentation, whose streams are the indices of the set.
Rng order_generator(uint64_t seed, int64_t epoch);

template <class T>
void shuffle(std::vector<T>& values, Rng& rng) {
  for (int64_t i = static_cast<int64_t>(values.size()) - 1; i > 0; --i) {
    std::swap(values[i], values[uniform_below(rng, i + 1)]);
  }
}

/// Batches that `samples` make.
int64_t batch_count(int64_t samples, int64_t batch_size, bool drop_last);

/// Throws InvalidArgument unless batches of this size can be made by so many workers from a set of `samples`.
void check_batching(int64_t batch_size, int64_t workers, int64_t prefetch, int64_t samples);

/// Throws InvalidArgument when an epoch would hold no batch.
void check_any_batch(int64_t batches, int64_t batch_size);

/// Throws InvalidArgument for a negative number.
void check_epoch_number(int64_t number);

}  // namespace retentive::datasets::detail
