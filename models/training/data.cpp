#include <models/training/data.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <datasets/image_folder.h>
#include <datasets/mnist.h>
#include <datasets/random.h>
#include <datasets/subset.h>
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
          std::make_shared<datasets::Subset>(all, std::vector<int64_t>(order.begin(), middle))};
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
  if (train->class_names() != validation->class_names()) {
    throw DataError("[train] \"" + data.train + "\" has " + std::to_string(train->class_names().size()) +
                    " classes and \"" + data.validation + "\" has " + std::to_string(validation->class_names().size()) +
                    ", or their names differ; both sets need the same classes; compare the class folders");
  }
  return {std::move(train), std::move(validation)};
}

std::vector<int64_t> match_classes(const datasets::Dataset& dataset, const std::vector<std::string>& model_labels,
                                   int64_t num_classes) {
  const auto& names = dataset.class_names();
  std::vector<int64_t> result;
  for (const auto& name : names) {
    const auto found = std::find(model_labels.begin(), model_labels.end(), name);
    if (found != model_labels.end()) result.push_back(found - model_labels.begin());
  }
  if (result.size() == names.size()) return result;
  if (static_cast<int64_t>(names.size()) != num_classes) {
    throw DataError("[eval] the set has " + std::to_string(names.size()) + " classes (\"" + names.front() +
                    "\", ...) and the model has " + std::to_string(num_classes) +
                    "; the same number, or class folders named like the model's labels; rename the folders");
  }
  result.resize(names.size());
  std::iota(result.begin(), result.end(), 0);
  return result;
}

}  // namespace retentive::models
