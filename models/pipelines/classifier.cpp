#include <algorithm>
#include <cmath>
#include <future>
#include <new>
#include <numeric>

#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/classifier.h>
#include <models/pipelines/detail/image_model.h>
#include <models/pipelines/detail/inference_scope.h>
#include <models/registry.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

std::vector<double> softmax(const float* logits, int64_t count) {
  const float largest = *std::max_element(logits, logits + count);
  std::vector<double> values(static_cast<size_t>(count));
  std::transform(logits, logits + count, values.begin(),
                 [&](float logit) { return std::exp(static_cast<double>(logit) - largest); });
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  for (double& value : values) value /= sum;
  return values;
}

void check_top_k(int64_t top_k) {
  if (top_k >= 1) return;
  throw InvalidArgument("[classify] top_k is " + std::to_string(top_k) + "; at least 1 is accepted");
}

void check_batch(const BatchOptions& options) {
  check_top_k(options.top_k);
  if (options.batch_size >= 1) return;
  throw InvalidArgument("[classify] batch_size is " + std::to_string(options.batch_size) + "; at least 1 is accepted");
}

// What `make` returns; when it throws, nothing, and `item` says why.
template <class Make>
torch::Tensor attempt(Classification& item, const Make& make) {
  try {
    return make();
  } catch (const Error& error) {
    item.error = ItemError{error.kind(), error.what()};
  } catch (const std::bad_alloc&) {
    const std::string name = item.path.empty() ? "the image" : item.path;
    item.error = ItemError{"DataError", "[classify] " + name + " does not fit into memory; scale it down"};
  }
  return {};
}

// Inputs of one batch: an entry per image, and the tensors of those that could be read.
struct Prepared {
  std::vector<Classification> items;
  std::vector<size_t> readable;
  std::vector<torch::Tensor> inputs;  // [1, C, H, W] each

  void add(Classification item, const torch::Tensor& input) {
    if (input.defined()) {
      readable.push_back(items.size());
      inputs.push_back(input);
    }
    items.push_back(std::move(item));
  }
};

}  // namespace

class Classifier::Impl {
 public:
  Impl(ImageModel model, const ClassifierOptions& options) : model_(std::move(model)) {
    const auto classes = models::num_classes(model_.config());
    if (classes == 0) {
      throw ConfigError("[classify] " + model_.origin() +
                        " holds a model without classifier; use weights with a head, or FeatureExtractor");
    }
    labels_ = class_names(options.labels, model_.card(), model_.origin(), classes);
  }

  const ImageModel& model() const { return model_; }
  const std::vector<std::string>& labels() const { return labels_; }

  // The readable images of a batch through the network.
  std::vector<Classification> run(Prepared batch, int64_t top_k) const {
    if (batch.inputs.empty()) return std::move(batch.items);
    const InferenceScope scope(model_.threads());
    const auto logits = model_.network().forward(torch::cat(batch.inputs)).to(torch::kFloat).contiguous();  // [B, V]
    for (size_t i = 0; i < batch.readable.size(); ++i) {
      batch.items[batch.readable[i]].top = best(logits.const_data_ptr<float>() + i * labels_.size(), top_k);
    }
    return std::move(batch.items);
  }

  // One image at native size, in bands of the rows that `open` gives.
  template <class Open>
  Classification stream(std::string path, int64_t top_k, const Open& open) const {
    const InferenceScope scope(model_.threads());
    Classification item;
    item.path = std::move(path);
    const auto logits = attempt(item, [&] {
      const datasets::OpenedRows opened = open();
      item.whole = opened.reason;
      return model_.stream(*opened.rows, item.path.empty() ? "the image" : item.path).to(torch::kFloat).contiguous();
    });
    if (logits.defined()) item.top = best(logits.template const_data_ptr<float>(), top_k);  // [1, V]
    return item;
  }

  torch::Tensor input(const vision::Image& image) const { return model_.prepare(image); }
  torch::Tensor input(const std::filesystem::path& path) const { return model_.prepare(model_.decode(path)); }

  Prepared prepare(std::span<const vision::Image> images) const {
    Prepared batch;
    for (const auto& image : images) {
      Classification item;
      const auto tensor = attempt(item, [&] { return input(image); });
      batch.add(std::move(item), tensor);
    }
    return batch;
  }

  Prepared prepare(std::span<const std::filesystem::path> paths) const {
    Prepared batch;
    for (const auto& path : paths) {
      Classification item;
      item.path = path.string();
      const auto tensor = attempt(item, [&] { return input(path); });
      batch.add(std::move(item), tensor);
    }
    return batch;
  }

 private:
  std::vector<Prediction> best(const float* logits, int64_t top_k) const {
    const auto classes = static_cast<int64_t>(labels_.size());
    const auto probabilities = softmax(logits, classes);
    std::vector<int64_t> order(labels_.size());
    std::iota(order.begin(), order.end(), 0);
    const auto count = std::min(top_k, classes);
    std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int64_t a, int64_t b) {
      return probabilities[a] != probabilities[b] ? probabilities[a] > probabilities[b] : a < b;
    });
    std::vector<Prediction> top;
    for (int64_t i = 0; i < count; ++i) top.push_back({order[i], labels_[order[i]], probabilities[order[i]]});
    return top;
  }

  ImageModel model_;
  std::vector<std::string> labels_;
};

Classifier Classifier::from_file(const std::filesystem::path& weights, const ClassifierOptions& options) {
  return Classifier(std::make_unique<Impl>(ImageModel::from_file(weights, options), options));
}

Classifier Classifier::from_default(const ClassifierOptions& options) {
  return Classifier(std::make_unique<Impl>(ImageModel::from_builtin(kDefaultClassifier, options), options));
}

Classifier Classifier::from_name(const std::string& name, const ClassifierOptions& options) {
  const ModelRow& row = find_model(name);
  require_builtin(row, "classify", "Classifier");
  return Classifier(std::make_unique<Impl>(ImageModel::from_builtin(row.name, options), options));
}

Classifier::Classifier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;
Classifier::~Classifier() = default;

std::vector<Prediction> Classifier::classify(const vision::Image& image, int64_t top_k) const {
  check_top_k(top_k);
  Prepared batch;
  batch.add({}, impl_->input(image));
  return std::move(impl_->run(std::move(batch), top_k).front().top);
}

std::vector<Prediction> Classifier::classify(const std::filesystem::path& path, int64_t top_k) const {
  check_top_k(top_k);
  return classify(impl_->model().decode(path), top_k);
}

std::vector<Classification> Classifier::classify(std::span<const vision::Image> images,
                                                 const BatchOptions& options) const {
  check_batch(options);
  std::vector<Classification> results;
  if (options.stream) {
    impl_->model().check_streams();
    for (const auto& image : images) {
      results.push_back(impl_->stream("", options.top_k, [&] {
        return datasets::OpenedRows{std::make_unique<vision::ImageRowSource>(image), true, ""};
      }));
    }
    return results;
  }
  const auto step = static_cast<size_t>(options.batch_size);
  for (size_t first = 0; first < images.size(); first += step) {
    const auto batch = images.subspan(first, std::min(step, images.size() - first));
    std::ranges::move(impl_->run(impl_->prepare(batch), options.top_k), std::back_inserter(results));
  }
  return results;
}

std::vector<Classification> Classifier::classify(std::span<const std::filesystem::path> paths,
                                                 const BatchOptions& options) const {
  std::vector<Classification> results;
  classify_each(paths, options, [&](Classification&& item) { results.push_back(std::move(item)); });
  return results;
}

void Classifier::classify_each(std::span<const std::filesystem::path> paths, const BatchOptions& options,
                               const std::function<void(Classification&&)>& sink) const {
  check_batch(options);
  if (options.stream) {
    impl_->model().check_streams();
    for (const auto& path : paths) {
      sink(impl_->stream(path.string(), options.top_k, [&] { return impl_->model().open(path); }));
    }
    return;
  }
  const auto step = static_cast<size_t>(options.batch_size);
  const auto prepare = [&](size_t first) {
    return std::async(std::launch::async, [this, batch = paths.subspan(first, std::min(step, paths.size() - first))] {
      return impl_->prepare(batch);
    });
  };
  if (paths.empty()) return;
  auto pending = prepare(0);
  for (size_t first = 0; first < paths.size(); first += step) {
    auto batch = pending.get();
    if (paths.size() - first > step) pending = prepare(first + step);
    for (auto& item : impl_->run(std::move(batch), options.top_k)) sink(std::move(item));
  }
}

const std::string& Classifier::model_name() const { return impl_->model().card().name; }
int64_t Classifier::num_classes() const { return static_cast<int64_t>(impl_->labels().size()); }
const std::vector<std::string>& Classifier::labels() const { return impl_->labels(); }
const vision::Preprocessing& Classifier::preprocessing() const { return impl_->model().preprocessing(); }

}  // namespace retentive::models
