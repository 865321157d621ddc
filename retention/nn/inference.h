#pragma once

#include <string>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/base/precision.h>

namespace retentive::nn {

/// How a model is prepared for inference.
struct InferenceOptions {
  Precision precision = Precision::fp32;
};

/// How one part of a prepared model runs.
struct InferenceEntry {
  std::string path;       ///< of the module in the model, as in state_dict keys
  std::string operation;  ///< "linear 64 -> 192", "depthwise 3x3", ...
  Precision precision = Precision::fp32;
  std::string implementation;  ///< as its library names it
  std::string reason;          ///< why not the fastest or not the precision asked for; empty when it is
};

/// What prepare_inference did, part by part in the order of the model.
struct InferenceReport {
  Precision requested = Precision::fp32;
  std::vector<InferenceEntry> entries;
};

/// Handed to every Preparable module of a model, parents first.
class RETENTIVE_API Preparation {
 public:
  explicit Preparation(const InferenceOptions& options);

  /// Precision of the products: what was asked for, or fp32 where the processor cannot.
  Precision precision() const { return precision_; }
  /// Precision of dense convolutions: bf16 (or fp32) in a model of int8 or int4 products.
  Precision conv_precision() const;
  /// Type of what flows between products: bf16 for bf16 and int8 where the processor has it, else float.
  at::ScalarType activation_type() const { return activation_type_; }
  /// Why precision() is not what was asked for; empty when it is.
  const std::string& fallback_reason() const { return fallback_reason_; }

  void enter(const std::string& path) { path_ = path; }
  /// Adds an entry for `child` of the present module.
  void report(const std::string& child, const std::string& operation, Precision precision,
              const std::string& implementation, const std::string& reason = "");

  /// Adds an entry for the present module, which runs on a kernel of retention/kernels.
  void report_kernel(const std::string& operation);

  InferenceReport take_report() { return std::move(report_); }

 private:
  Precision precision_;
  at::ScalarType activation_type_;
  std::string fallback_reason_;
  std::string path_;
  InferenceReport report_;
};

/// A module that has something to fold or pack. Leaves release their parameters when they are packed.
class RETENTIVE_API Preparable {
 public:
  virtual ~Preparable();
  virtual void prepare(Preparation& preparation) = 0;
};

/// Folds what can be folded, packs every weight for this processor and precision, and freezes `model`, which must be
/// in evaluation mode: from then on train(), an input that requires grad and reading its parameters for a file
/// raise StateError. Forward may be called from several threads at once. int8: symmetric weights per output
/// channel, activations quantised per token as they come.
/// int4: weights in groups of 32 inputs with a scale each, for language models, whose speed is that of reading weights.
/// Throws StateError when the model is training or prepared already.
RETENTIVE_API InferenceReport prepare_inference(torch::nn::Module& model, const InferenceOptions& options = {});

/// Whether prepare_inference has run on `model`.
RETENTIVE_API bool is_prepared(const torch::nn::Module& model);

}  // namespace retentive::nn
