#pragma once

#include <string>

#include <retention/base/export.h>

namespace retentive::packed {

/// Version of the oneDNN that is loaded, as "3.2.0".
RETENTIVE_API std::string onednn_version();

}  // namespace retentive::packed
