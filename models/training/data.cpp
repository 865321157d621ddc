#include <models/training/data.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <datasets/image_folder.h>
#include <datasets/mnist.h>
#include <datasets/random.h>
#include <datasets/subset.h>
#include <models/class_match.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr uint64_t kSplitStream = 0x5b117;

RunData split(std::shared_ptr<const datasets::Dataset> all, double fraction, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(all->size()));
  std::iota(order.begin(), order.end(), 0);
  datasets::Rng rng(datasets::derive_seed(seed, kSplitStream, 0));
  for (auto i = static_cast<int64_t>(order.size()) - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(datasets::uniform_below(rng, i + 1))]);
  }
  const int64_t kept = std::llround(fraction * static_cast<double>(order.size()));
  if (kept < 1 || kept >= all->size()) {
    throw DataError("[train] data.validation_fraction " + std::to_string(fraction) + " keeps " + std::to_string(kept) +
                    " of " + std::to_string(all->size()) +
                    " images for validation; at least one for each side; change the fraction or add images");
  }
  const auto middle = order.begin() + kept;
  std::sort(order.begin(), middle);
  std::sort(middle, order.end());
  return {std::make_shared<datasets::Subset>(all, std::vector<int64_t>(middle, order.end())),
          std::make_shared<datasets::Subset>(all, std::vector<int64_t>(order.begin(), middle)),
          {}};
}

}  // namespace

std::shared_ptr<const datasets::Dataset> open_dataset(DataKind kind, const std::filesystem::path& path,
                                                      const std::filesystem::path& labels,
                                                      const std::vector<std::string>& classes) {
  if (kind == DataKind::mnist) return std::make_shared<datasets::Mnist>(path, labels, classes);
  if (kind == DataKind::text) {
    throw Unsupported("[data] \"" + path.string() +
                      "\" is to be text, which has no classes; image_folder and mnist are accepted; `retentive "
                      "perplexity` measures language models");
  }
  return std::make_shared<datasets::ImageFolder>(path);
}

RunData open_run_data(const DataSection& data, uint64_t seed) {
  auto train = open_dataset(data.kind, data.train, data.train_labels, data.classes);
  if (data.validation.empty()) return split(std::move(train), data.validation_fraction, seed);
  auto validation = open_dataset(data.kind, data.validation, data.validation_labels, data.classes);
  ClassMatchOptions matching;
  matching.where = "train";
  matching.set = data.validation;
  const auto& names = train->class_names();
  auto match = match_classes(names, static_cast<int64_t>(names.size()), validation->class_names(), matching);
  return {std::move(train), std::move(validation), std::move(match.model_class)};
}

}  // namespace retentive::models
