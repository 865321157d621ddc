#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <bench/machine.h>
#include <bench/report/statistics.h>
#include <retention/base/export.h>
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
  int warmup = 5;
  int repetitions = 30;
  int instances = 1;  ///< models that run at once, each on `threads` threads of its own
};

/// A model ready to be timed.
class RETENTIVE_API LatencyBench {
 public:
  /// Loads, checks the prepared model against the plain one, and packs. Throws StateError when the two disagree, so
  /// that no speed is printed of a wrong result; ConfigError for names without such a model.
  explicit LatencyBench(const LatencyOptions& options);

  /// Milliseconds of `repetitions` forward passes.
  std::vector<double> run(int repetitions);
  /// Time by operation, summed over `repetitions` forward passes.
  std::map<std::string, OpProfile::Row> profile(int repetitions);

  /// Multiply-accumulates of one forward pass of the batch; of a detector as its operations count them.
  double macs();
  /// Largest deviation of the prepared from the plain model, in the project's metric.
  double deviation() const { return deviation_; }
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
  double deviation_ = 0;
};

/// A finished measurement.
struct LatencyResult {
  LatencyOptions options;
  std::vector<double> times_ms;
  Summary summary;
  double macs = 0;
  double peak_gmacs_per_s = 0;
  double peak_rss_mb = 0;
  double deviation = 0;
  Machine machine;
  std::map<std::string, OpProfile::Row> profile;  ///< of one pass; empty unless asked for

  double images_per_s() const { return 1e3 * static_cast<double>(options.batch * options.instances) / summary.median; }
  double gmacs_per_s() const { return macs * 1e-6 * options.instances / summary.median; }
};

RETENTIVE_API LatencyResult measure_latency(const LatencyOptions& options, bool with_profile);

/// One JSON object on one line.
RETENTIVE_API std::string latency_json(const LatencyResult& result);
/// A table for people.
RETENTIVE_API std::string latency_text(const LatencyResult& result);

/// What two result files say: the ratio of their medians and whether it is a loss.
struct Comparison {
  RatioInterval ratio;
  bool same_conditions = true;
  std::string text;
};

/// Compares two files written by `bench latency --json`. Throws DataError when a file is not one.
RETENTIVE_API Comparison compare_latency(const std::string& before, const std::string& after);

}  // namespace retentive::bench
