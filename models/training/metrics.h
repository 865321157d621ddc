#pragma once

#include <cstdint>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::models {

/// Scores of one class. A ratio without any case in its denominator is 0.
struct ClassScores {
  int64_t support = 0;    ///< samples of this class
  int64_t predicted = 0;  ///< samples taken for this class
  double precision = 0;
  double recall = 0;
  double f1 = 0;
};

/// Sums over a labelled set, batch by batch. Equal logits rank by class index; a logit that is NaN never wins.
class RETENTIVE_API ClassificationMetrics {
 public:
  /// Throws InvalidArgument unless num_classes > 0.
  explicit ClassificationMetrics(int64_t num_classes);

  /// logits [B, num_classes], labels [B]. Throws InvalidArgument for other shapes or a label out of range.
  void add(const torch::Tensor& logits, const torch::Tensor& labels);

  int64_t num_classes() const { return num_classes_; }
  int64_t count() const { return count_; }
  double top1() const { return top_k(1); }  ///< share of samples, 0 to 1
  double top5() const { return top_k(5); }
  /// Share of samples whose label is among the k largest logits, k in 1..5; 0 when there are none.
  double top_k(int64_t k) const;
  /// Mean cross entropy against the labels, without smoothing.
  double loss() const;
  /// Samples of class `label` taken for class `predicted`.
  int64_t confusion(int64_t label, int64_t predicted) const;
  std::vector<ClassScores> per_class() const;

 private:
  int64_t num_classes_;
  int64_t count_ = 0;
  double loss_sum_ = 0;
  std::vector<int64_t> ranked_;     // [5]: samples whose label came on that rank
  std::vector<int64_t> confusion_;  // [label, predicted]
};

}  // namespace retentive::models
