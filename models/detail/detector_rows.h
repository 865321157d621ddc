#pragma once

#include <vector>

#include <models/registry.h>

namespace retentive::models::detail {

/// The registry's rows of detectors, on the backbones among `rows`.
std::vector<ModelRow> detector_rows(const std::vector<ModelRow>& rows);

}  // namespace retentive::models::detail
