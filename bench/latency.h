#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <bench/machine.h>
#include <retention/base/export.h>
#include <retention/base/form.h>
#include <retention/base/op_profile.h>
#include <retention/base/precision.h>
#include <vision/backbone.h>
#include <vision/detection/detector.h>

namespace retentive::bench {

/// What is timed: forward passes of one prepared model on one image batch; of a detector up to its detections. With
/// initial weights its score threshold is set so that some 300 boxes reach the last suppression.
struct LatencyOptions {
  std::string model = "rmt_t";
  std::string weights;  ///< file; empty = initial weights from seed 0
  int64_t height = 224;
  int64_t width = 224;
  int64_t batch = 1;
  int threads = 0;  ///< 0 = all cores
  Precision precision = Precision::fp32;
  Form form = Form::auto_;  ///< of a ViR, or an RMT with mixer retention
  int warmup = 5;
  int repetitions = 30;
  double budget_s = 0;  ///< of the repetitions: fewer, but at least three, when they take longer; 0 = no limit
  int instances = 1;    ///< models that run at once, each on `threads` threads of its own
};

/// A model ready to be timed.
class RETENTIVE_API LatencyBench {
 public:
  /// Loads, checks the prepared model against the plain one, and packs. Throws StateError when the two disagree, so
  /// that no speed is printed of a wrong result; ConfigError for names without such a model.
  explicit LatencyBench(const LatencyOptions& options);

  /// Milliseconds of `repetitions` forward passes, of fewer when `budget_s` is over and three are done.
  std::vector<double> run(int repetitions, double budget_s = 0);
  /// Time by operation, summed over `repetitions` forward passes.
  std::map<std::string, OpProfile::Row> profile(int repetitions);

  /// Multiply-accumulates of one forward pass of the batch; of a detector as its operations count them.
  double macs();
  /// What is timed on what, without measurements.
  Cell cell() const;
  const LatencyOptions& options() const { return options_; }

 private:
  LatencyOptions options_;
  void pass();
  /// What prepared and plain models are compared by: the last map of a backbone, the finest of a detector's pyramid.
  torch::Tensor features(const torch::Tensor& image);

  std::shared_ptr<torch::nn::Module> model_;
  vision::BackboneImpl* backbone_ = nullptr;  ///< the model, if it is one
  vision::DetectorImpl* detector_ = nullptr;  ///< likewise
  torch::Tensor image_;
  double deviation_ = 0;  ///< the largest of the prepared from the plain model, in the project's metric
};

/// A cell of task "image" with everything that one process can know of it; operations only with `with_profile`. The
/// peak of memory is that of the timed passes: loading and checking come before.
RETENTIVE_API Results measure_latency(const LatencyOptions& options, bool with_profile);

}  // namespace retentive::bench
