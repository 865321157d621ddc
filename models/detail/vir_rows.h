#pragma once

#include <vector>

#include <models/registry.h>

namespace retentive::models::detail {

/// The registry's rows of the ViR family: ViR, and ViT for comparison.
std::vector<ModelRow> vir_rows();

/// Input of the models of handwritten digits: 28 x 28, grey.
vision::Preprocessing digit_input();

}  // namespace retentive::models::detail
