#include <models/training/evaluation.h>

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include <datasets/loader.h>
#include <models/eval_mode.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr int64_t kWidestMatrix = 30;

std::string label_of(const std::vector<std::string>& labels, int64_t k) {
  return static_cast<size_t>(k) < labels.size() ? labels[static_cast<size_t>(k)] : std::to_string(k);
}

template <class... Args>
std::string format(const char* pattern, Args... args) {
  std::string text(static_cast<size_t>(std::snprintf(nullptr, 0, pattern, args...)), '\0');
  std::snprintf(text.data(), text.size() + 1, pattern, args...);
  return text;
}

std::string confusion_text(const ClassificationMetrics& metrics, int width) {
  std::string text = format("\nconfusion matrix (rows: true class, columns: predicted class index)\n%*s", width, "");
  const int64_t classes = metrics.num_classes();
  for (int64_t k = 0; k < classes; ++k) text += format(" %6lld", static_cast<long long>(k));
  for (int64_t label = 0; label < classes; ++label) {
    text += format("\n%*lld", width, static_cast<long long>(label));
    for (int64_t k = 0; k < classes; ++k) text += format(" %6lld", static_cast<long long>(metrics.confusion(label, k)));
  }
  return text + "\n";
}

}  // namespace

ClassificationMetrics evaluate(vision::BackboneImpl& model, const datasets::Dataset& dataset, int64_t num_classes,
                               const EvaluationOptions& options) {
  const torch::InferenceMode no_grad;
  const EvalMode eval_mode(model);
  datasets::LoaderOptions loading;
  loading.batch_size = options.batch_size;
  loading.workers = options.workers;
  loading.preprocessing = options.preprocessing;
  const datasets::Loader loader(dataset, loading);
  ClassificationMetrics metrics(num_classes);
  for (auto& batch : loader.epoch(0)) {
    if (options.stop != nullptr && options.stop->load()) break;
    for (auto& label : batch.labels) {
      if (!options.class_map.empty()) label = options.class_map.at(static_cast<size_t>(label));
    }
    const auto images = torch::from_blob(batch.images.data(), {batch.size, batch.channels, batch.height, batch.width});
    const auto labels = torch::from_blob(batch.labels.data(), {batch.size}, torch::kLong);
    metrics.add(model.forward(images), labels);
    if (options.progress) options.progress(metrics.count(), dataset.size());
  }
  return metrics;
}

std::string evaluation_text(const ClassificationMetrics& metrics, const std::vector<std::string>& labels) {
  std::string text =
      format("images %lld   top-1 %.2f %%   top-5 %.2f %%   loss %.4f\n\n", static_cast<long long>(metrics.count()),
             100 * metrics.top1(), 100 * metrics.top5(), metrics.loss());
  int width = 5;
  for (int64_t k = 0; k < metrics.num_classes(); ++k)
    width = std::max(width, static_cast<int>(label_of(labels, k).size()));
  text += format("%*s  support  precision  recall     f1\n", width, "class");
  const auto scores = metrics.per_class();
  for (int64_t k = 0; k < metrics.num_classes(); ++k) {
    const auto& row = scores[static_cast<size_t>(k)];
    text += format("%*s  %7lld  %9.4f  %6.4f  %.4f\n", width, label_of(labels, k).c_str(),
                   static_cast<long long>(row.support), row.precision, row.recall, row.f1);
  }
  if (metrics.num_classes() <= kWidestMatrix) return text + confusion_text(metrics, width);
  return text + format("\nthe confusion matrix of %lld classes is printed with --json only\n",
                       static_cast<long long>(metrics.num_classes()));
}

std::string evaluation_json(const ClassificationMetrics& metrics, const std::vector<std::string>& labels) {
  nlohmann::ordered_json json = {{"count", metrics.count()},
                                 {"top1", metrics.top1()},
                                 {"top5", metrics.top5()},
                                 {"loss", metrics.loss()},
                                 {"classes", nlohmann::ordered_json::array()},
                                 {"confusion", nlohmann::ordered_json::array()}};
  const auto scores = metrics.per_class();
  for (int64_t k = 0; k < metrics.num_classes(); ++k) {
    const auto& row = scores[static_cast<size_t>(k)];
    json["classes"].push_back({{"label", label_of(labels, k)},
                               {"support", row.support},
                               {"precision", row.precision},
                               {"recall", row.recall},
                               {"f1", row.f1}});
    auto counts = nlohmann::ordered_json::array();
    for (int64_t predicted = 0; predicted < metrics.num_classes(); ++predicted) {
      counts.push_back(metrics.confusion(k, predicted));
    }
    json["confusion"].push_back(std::move(counts));
  }
  return json.dump();
}

}  // namespace retentive::models
