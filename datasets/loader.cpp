#include <algorithm>
#include <memory>
#include <numeric>
#include <span>

#include <datasets/detail/batching.h>
#include <datasets/detail/prefetcher.h>
#include <datasets/loader.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

std::vector<int64_t> epoch_order(int64_t size, const LoaderOptions& options, int64_t epoch) {
  std::vector<int64_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  if (!options.shuffle) return order;
  Rng rng = detail::order_generator(options.seed, epoch);
  detail::shuffle(order, rng);
  return order;
}

/// The samples `indices` of the set as a batch of epoch `number`.
Batch make_batch(const Dataset& dataset, const LoaderOptions& options, int64_t number,
                 std::span<const int64_t> indices) {
  const auto& crop = options.preprocessing.crop;
  Batch batch;
  batch.size = static_cast<int64_t>(indices.size());
  batch.channels = static_cast<int64_t>(options.preprocessing.mean.size());
  batch.height = crop[0];
  batch.width = crop[1];
  const int64_t values = batch.channels * batch.height * batch.width;
  batch.images.resize(batch.size * values);
  float* out = batch.images.data();
  for (const int64_t index : indices) {
    Sample sample = dataset.get(index);
    if (options.augment) {
      Rng rng(derive_seed(options.seed, number, index));
      train_transform(sample.image, options.preprocessing, *options.augment, rng, out);
    } else {
      evaluation_transform(sample.image, options.preprocessing, out);
    }
    batch.labels.push_back(sample.label);
    batch.names.push_back(std::move(sample.name));
    out += values;
  }
  return batch;
}

}  // namespace

Loader::Loader(const Dataset& dataset, LoaderOptions options) : dataset_(&dataset), options_(std::move(options)) {
  detail::check_batching(options_.batch_size, options_.workers, options_.prefetch, dataset.size());
  detail::check_any_batch(size(), options_.batch_size);
  check_preprocessing(options_.preprocessing);
  if (options_.augment) check_augment(*options_.augment);
}

int64_t Loader::size() const { return detail::batch_count(dataset_->size(), options_.batch_size, options_.drop_last); }

Epoch Loader::epoch(int64_t number) const {
  detail::check_epoch_number(number);
  auto make = [dataset = dataset_, options = options_, number,
               order = epoch_order(dataset_->size(), options_, number)](int64_t batch) {
    const std::span<const int64_t> indices(order);
    const int64_t first = batch * options.batch_size;
    const int64_t count = std::min(options.batch_size, static_cast<int64_t>(order.size()) - first);
    return make_batch(*dataset, options, number, indices.subspan(first, count));
  };
  return Epoch(
      std::make_unique<detail::Prefetcher<Batch>>(size(), options_.workers, options_.prefetch, std::move(make)));
}

}  // namespace retentive::datasets
