#pragma once

#include <optional>
#include <string>

namespace retentive::models::detail {

/// The property that Oniguruma's \p{name} stands for, as PCRE2 writes it between the braces: a general category or a
/// script. Nothing for other properties.
std::optional<std::string> pcre_property(const std::string& name);

}  // namespace retentive::models::detail
