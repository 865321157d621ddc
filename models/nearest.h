#pragma once

#include <span>
#include <string>
#include <string_view>

#include <retention/base/export.h>

namespace retentive::models {

/// Edits (insertions, deletions, substitutions, swaps of neighbours) that turn `a` into `b`.
RETENTIVE_API std::size_t edit_distance(std::string_view a, std::string_view b);

/// The entry of `known` with the smallest edit distance to `name`, the first of equals; empty when `known` is empty.
RETENTIVE_API std::string nearest_name(std::string_view name, std::span<const std::string> known);

}  // namespace retentive::models
