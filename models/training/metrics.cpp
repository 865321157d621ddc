#include <models/training/metrics.h>

#include <cmath>
#include <string>

#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr int64_t kRanks = 5;

// Whether class a comes before class b: larger logit first, then smaller index; NaN comes after everything.
bool precedes(const float* logits, int64_t a, int64_t b) {
  const bool nan_a = std::isnan(logits[a]);
  const bool nan_b = std::isnan(logits[b]);
  if (nan_a != nan_b) return nan_b;
  if (nan_a || logits[a] == logits[b]) return a < b;
  return logits[a] > logits[b];
}

double ratio(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

}  // namespace

ClassificationMetrics::ClassificationMetrics(int64_t num_classes) : num_classes_(num_classes), ranked_(kRanks, 0) {
  if (num_classes < 1) throw InvalidArgument("[metrics] num_classes must be at least 1; give the model's class count");
  confusion_.assign(static_cast<size_t>(num_classes * num_classes), 0);
}

void ClassificationMetrics::add(const torch::Tensor& logits, const torch::Tensor& labels) {
  if (logits.dim() != 2 || labels.dim() != 1 || logits.size(1) != num_classes_ || logits.size(0) != labels.size(0)) {
    throw InvalidArgument("[metrics] logits and labels do not belong together; [B, " + std::to_string(num_classes_) +
                          "] and [B] are accepted; check num_classes");
  }
  const auto scores = logits.detach().to(torch::kFloat).contiguous();
  const auto truth = labels.to(torch::kLong).contiguous();
  const auto log_probabilities = torch::log_softmax(scores, 1);
  for (int64_t b = 0; b < truth.size(0); ++b) {
    const int64_t label = truth.data_ptr<int64_t>()[b];
    if (label < 0 || label >= num_classes_) {
      throw InvalidArgument("[metrics] label " + std::to_string(label) + " with " + std::to_string(num_classes_) +
                            " classes; from 0 to num_classes - 1; check that data and model have the same classes");
    }
    const float* row = scores.data_ptr<float>() + b * num_classes_;
    int64_t rank = 0;
    int64_t best = 0;
    for (int64_t k = 0; k < num_classes_; ++k) {
      rank += precedes(row, k, label);
      if (precedes(row, k, best)) best = k;
    }
    if (std::isnan(row[label])) rank = kRanks;
    if (rank < kRanks) ++ranked_[static_cast<size_t>(rank)];
    ++confusion_[static_cast<size_t>(label * num_classes_ + best)];
    loss_sum_ -= log_probabilities.data_ptr<float>()[b * num_classes_ + label];
    ++count_;
  }
}

double ClassificationMetrics::top_k(int64_t k) const {
  int64_t hits = 0;
  for (int64_t rank = 0; rank < k && rank < kRanks; ++rank) hits += ranked_[static_cast<size_t>(rank)];
  return ratio(hits, count_);
}

double ClassificationMetrics::loss() const { return count_ > 0 ? loss_sum_ / static_cast<double>(count_) : 0.0; }

int64_t ClassificationMetrics::confusion(int64_t label, int64_t predicted) const {
  return confusion_.at(static_cast<size_t>(label * num_classes_ + predicted));
}

std::vector<ClassScores> ClassificationMetrics::per_class() const {
  std::vector<ClassScores> result(static_cast<size_t>(num_classes_));
  for (int64_t label = 0; label < num_classes_; ++label) {
    for (int64_t predicted = 0; predicted < num_classes_; ++predicted) {
      result[static_cast<size_t>(label)].support += confusion(label, predicted);
      result[static_cast<size_t>(predicted)].predicted += confusion(label, predicted);
    }
  }
  for (int64_t k = 0; k < num_classes_; ++k) {
    auto& scores = result[static_cast<size_t>(k)];
    scores.precision = ratio(confusion(k, k), scores.predicted);
    scores.recall = ratio(confusion(k, k), scores.support);
    scores.f1 = ratio(2 * confusion(k, k), scores.predicted + scores.support);
  }
  return result;
}

}  // namespace retentive::models
