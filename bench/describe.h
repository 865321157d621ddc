#pragma once

#include <cstdint>

#include <bench/report/results.h>
#include <models/config.h>
#include <retention/base/form.h>
#include <vision/backbone.h>

namespace retentive::bench {

/// Fills what a cell says of a model, or of a detector's backbone, on images of that size: sides, tokens of the first
/// stage, mixer, and the form where the model has several. Throws ConfigError for a language model.
void describe_images(const models::ModelConfig& config, int64_t height, int64_t width, Form form, Cell& cell);

/// Likewise of a language model on sequences of `tokens`. Throws ConfigError for models of images.
void describe_text(const models::ModelConfig& config, int64_t tokens, Form form, Cell& cell);

/// Whether the form is a choice.
bool has_forms(const models::ModelConfig& config);

/// Sets the form of a ViR, or of an RMT with causal retention; others are left alone.
void set_form(vision::BackboneImpl& backbone, Form form);

}  // namespace retentive::bench
