#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <datasets/detail/batching.h>
#include <datasets/detail/prefetcher.h>
#include <datasets/detection_loader.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

using Indices = std::vector<int64_t>;

std::vector<Indices> aspect_groups(const DetectionDataset& dataset, bool by_aspect) {
  std::array<Indices, 2> groups;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto [height, width] = dataset.image_size(i);
    groups[by_aspect && width > height].push_back(i);
  }
  std::vector<Indices> filled;
  for (Indices& group : groups) {
    if (!group.empty()) filled.push_back(std::move(group));
  }
  return filled;
}

std::vector<Indices> epoch_batches(std::vector<Indices> groups, const DetectionLoaderOptions& options, int64_t epoch) {
  Rng rng = detail::order_generator(options.seed, epoch);
  std::vector<Indices> batches;
  for (Indices& group : groups) {
    if (options.shuffle) detail::shuffle(group, rng);
    const int64_t count =
        detail::batch_count(static_cast<int64_t>(group.size()), options.batch_size, options.drop_last);
    for (int64_t batch = 0; batch < count; ++batch) {
      const auto first = group.begin() + batch * options.batch_size;
      batches.emplace_back(first, first + std::min<int64_t>(options.batch_size, group.end() - first));
    }
  }
  if (options.shuffle) {
    detail::shuffle(batches, rng);
  } else {
    std::sort(batches.begin(), batches.end());
  }
  return batches;
}

DetectionExample make_example(const DetectionSample& sample, const DetectionLoaderOptions& options, int64_t epoch,
                              int64_t index) {
  if (!options.augment) return detection_example(sample, options.preprocessing, options.masks);
  Rng rng(derive_seed(options.seed, epoch, index));
  return detection_example(sample, options.preprocessing, *options.augment, options.masks, rng);
}

DetectionBatch make_batch(const DetectionDataset& dataset, const DetectionLoaderOptions& options, int64_t epoch,
                          const Indices& indices) {
  DetectionBatch batch;
  batch.size = static_cast<int64_t>(indices.size());
  batch.channels = static_cast<int64_t>(options.preprocessing.mean.size());
  std::vector<Image> pictures;
  for (const int64_t index : indices) {
    DetectionExample example = make_example(dataset.get(index), options, epoch, index);
    batch.height = std::max(batch.height, padded_side(example.image.height, options.divisor));
    batch.width = std::max(batch.width, padded_side(example.image.width, options.divisor));
    pictures.push_back(std::move(example.image));
    batch.items.push_back(std::move(example.item));
  }
  const int64_t values = batch.channels * batch.height * batch.width;
  batch.images.resize(batch.size * values);
  for (int64_t i = 0; i < batch.size; ++i) {
    normalise_padded(pictures[i], options.preprocessing, batch.height, batch.width, batch.images.data() + i * values);
  }
  return batch;
}

}  // namespace

DetectionLoader::DetectionLoader(const DetectionDataset& dataset, DetectionLoaderOptions options)
    : dataset_(&dataset), options_(std::move(options)) {
  detail::check_batching(options_.batch_size, options_.workers, options_.prefetch, dataset.size());
  if (options_.divisor < 1 || options_.divisor > 4096) {
    throw InvalidArgument("[loader] divisor is " + std::to_string(options_.divisor) + "; 1 to 4096 is accepted");
  }
  check_detection_preprocessing(options_.preprocessing);
  if (options_.augment) check_detection_augment(*options_.augment);
  groups_ = aspect_groups(dataset, options_.group_by_aspect);
  detail::check_any_batch(size(), options_.batch_size);
}

int64_t DetectionLoader::size() const {
  int64_t batches = 0;
  for (const Indices& group : groups_) {
    batches += detail::batch_count(static_cast<int64_t>(group.size()), options_.batch_size, options_.drop_last);
  }
  return batches;
}

DetectionEpoch DetectionLoader::epoch(int64_t number) const {
  detail::check_epoch_number(number);
  auto make = [dataset = dataset_, options = options_, number, batches = epoch_batches(groups_, options_, number)](
                  int64_t batch) { return make_batch(*dataset, options, number, batches[batch]); };
  return DetectionEpoch(std::make_unique<detail::Prefetcher<DetectionBatch>>(size(), options_.workers,
                                                                             options_.prefetch, std::move(make)));
}

}  // namespace retentive::datasets
