#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <models/config.h>
#include <retention/base/export.h>
#include <vision/backbone.h>

namespace retentive::models {

/// One named model: everything there is to know about it without its weights.
struct ModelRow {
  std::string name;
  ModelConfig config;
  vision::Preprocessing preprocessing;
  std::string labels;  ///< label set of its classes: "imagenet1k", "digits", or empty
  std::string description;
  std::optional<double> published_top1;  ///< percent, ImageNet-1k validation
  bool published_ema = false;            ///< the published score is that of the averaged weights (`model_ema`)
  std::string weights_note;              ///< where weights come from

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
RETENTIVE_API std::shared_ptr<vision::BackboneImpl> build_uninitialized(const ModelConfig& config);

/// A model initialised as its publication says from `seed`, in training mode; the same seed gives the same bits.
RETENTIVE_API std::shared_ptr<vision::BackboneImpl> build(const ModelConfig& config, uint64_t seed);

}  // namespace retentive::models
