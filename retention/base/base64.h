#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <retention/base/export.h>

namespace retentive {

RETENTIVE_API std::string to_base64(std::string_view bytes);

/// Nothing when `text` is no base64.
RETENTIVE_API std::optional<std::string> from_base64(std::string_view text);

}  // namespace retentive
