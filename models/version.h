#pragma once

#include <string_view>

#include <retention/base/export.h>

namespace retentive {

/// Version of the library, for example "0.1.0".
RETENTIVE_API std::string_view version() noexcept;

}  // namespace retentive
