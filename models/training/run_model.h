#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <models/training/run_config.h>
#include <retention/base/export.h>
#include <vision/backbone.h>
#include <vision/structures.h>

namespace retentive::models {

/// What a run says of its model: a registry row or an inline configuration, and how images become its input.
struct Architecture {
  ModelConfig config;
  vision::Preprocessing preprocessing;
};

/// Throws ConfigError for an unknown name.
Architecture architecture_of(const RunConfig& run);

/// Throws ConfigError for channels that do not fit the preprocessing, InvalidArgument for a preprocessing that cannot
/// be.
void check_input(const Architecture& architecture);

/// The model of a run, fitted to the classes of its data.
struct RunModel {
  ModelConfig config;
  vision::Preprocessing preprocessing;
  std::shared_ptr<vision::BackboneImpl> model;  ///< initialised or loaded, in training mode
  std::vector<std::string> notes;               ///< what of model.weights was left out or changed, see start_from_vit()
};

/// Builds it: registry row or inline configuration, one output for each of `classes`, weights of model.weights where
/// given: of the same architecture, or of a ViT for a ViR, their classes matched by name.
/// Throws ConfigError (unknown name, channels that do not fit the preprocessing), Unsupported (no classifier head),
/// CheckpointError (weights that differ in more than the head).
RETENTIVE_API RunModel build_run_model(const RunConfig& config, const std::vector<std::string>& classes);

}  // namespace retentive::models
