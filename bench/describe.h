#pragma once

#include <cstdint>

#include <bench/report/results.h>
#include <models/config.h>
#include <retention/base/form.h>

namespace retentive::bench {

/// Fills what a cell says of a model, or of a detector's backbone, on images of that size: sides, tokens of the first
/// stage, mixer, and the form where the model has several. Throws ConfigError for a language model.
void describe_images(const models::ModelConfig& config, int64_t height, int64_t width, Form form, Cell& cell);

/// Whether the form is a choice.
bool has_forms(const models::ModelConfig& config);

}  // namespace retentive::bench
