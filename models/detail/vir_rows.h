#pragma once

#include <vector>

#include <models/registry.h>

namespace retentive::models::detail {

/// The registry's rows of the ViR family: ViR, and ViT for comparison.
std::vector<ModelRow> vir_rows();

}  // namespace retentive::models::detail
