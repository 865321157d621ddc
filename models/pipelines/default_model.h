#pragma once

#include <cstddef>
#include <span>

#include <retention/base/export.h>

namespace retentive::models {

/// Registry name of the model that is built into the library.
inline constexpr const char* kDefaultModelName = "rmt_nano";

/// What messages call the built-in weights, where a file would have its path.
inline constexpr const char* kDefaultModelOrigin = "built-in rmt_nano_digits.safetensors";

/// The weights file of the built-in model, a classifier of handwritten digits: a safetensors image that is part of
/// the library, aligned to 64 bytes.
RETENTIVE_API std::span<const std::byte> default_model_bytes() noexcept;

}  // namespace retentive::models
