#pragma once

#include <cstdint>
#include <string>

#include <retention/base/export.h>

namespace retentive {

/// Takes the current line off a terminal.
inline constexpr const char* kClearLine = "\r\033[K";

/// `seconds` as h:mm:ss, rounded; negative ones are 0.
RETENTIVE_API std::string duration_text(double seconds);

/// "[####....]" for `done` of `total`.
RETENTIVE_API std::string progress_bar(int64_t done, int64_t total);

}  // namespace retentive
