#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <models/config.h>
#include <models/retnet.h>
#include <retention/base/export.h>
#include <vision/backbone.h>
#include <vision/detection/detector.h>

namespace retentive::models {

/// One named model: everything there is to know about it without its weights.
struct ModelRow {
  std::string name;
  ModelConfig config;
  vision::Preprocessing preprocessing;
  std::string labels;  ///< label set of its classes: "imagenet1k", "coco", "digits", or empty
  std::string description;
  std::optional<double> published_top1;               ///< percent, ImageNet-1k validation
  std::optional<double> published_ap = std::nullopt;  ///< percent, box AP on COCO val2017
  bool published_ema = false;  ///< the published score is that of the averaged weights (`model_ema`)
  std::string weights_note;    ///< where weights come from

  ModelKind kind() const { return kind_of(config); }
  /// Rows called `test_*` are tiny models for tests: never matched against a file unless asked for by name.
  bool is_test() const { return name.starts_with("test_"); }
};

/// Every registered model, in display order.
RETENTIVE_API std::span<const ModelRow> model_rows();

/// Names of all rows.
RETENTIVE_API std::vector<std::string> model_names();

/// The row of that name. Throws ConfigError naming the nearest name.
RETENTIVE_API const ModelRow& find_model(std::string_view name);

/// A model whose parameters are uninitialised memory, in training mode: for a checkpoint load to follow.
/// Throws ConfigError for a configuration that no model can have.
RETENTIVE_API std::shared_ptr<torch::nn::Module> build_uninitialized(const ModelConfig& config);

/// A model initialised as its publication says from `seed`, in training mode; the same seed gives the same bits.
RETENTIVE_API std::shared_ptr<torch::nn::Module> build(const ModelConfig& config, uint64_t seed);

/// The model as a vision backbone, a detector, or a language model. `where` names it in messages.
/// Throws ConfigError when it is of another kind.
RETENTIVE_API std::shared_ptr<vision::BackboneImpl> as_backbone(const std::shared_ptr<torch::nn::Module>& model,
                                                                const std::string& where);
RETENTIVE_API std::shared_ptr<vision::DetectorImpl> as_detector(const std::shared_ptr<torch::nn::Module>& model,
                                                                const std::string& where);
RETENTIVE_API std::shared_ptr<RetnetImpl> as_language_model(const std::shared_ptr<torch::nn::Module>& model,
                                                            const std::string& where);

/// as_backbone(build(config, seed)).
RETENTIVE_API std::shared_ptr<vision::BackboneImpl> build_backbone(const ModelConfig& config, uint64_t seed);

/// Trainable parameters of a model, without building it.
RETENTIVE_API int64_t count_parameters(const ModelConfig& config);

}  // namespace retentive::models
