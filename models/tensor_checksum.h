#pragma once

#include <string>

#include <models/state_dict.h>
#include <retention/base/export.h>

namespace retentive::models {

/// SHA-256 over the names, types, shapes and bytes of tensors in any order, and over `header`, what their file says
/// about itself.
RETENTIVE_API std::string tensor_checksum(const NamedTensors& tensors, const std::string& header);

}  // namespace retentive::models
