#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <retention/base/export.h>

namespace retentive::models::formats {

/// Text from a file between single quotes for a message: control and non-ASCII bytes escaped, cut after 120 bytes.
RETENTIVE_API std::string in_quotes(std::string_view text);

/// Throws CheckpointError `[where] file: what`.
[[noreturn]] RETENTIVE_API void fail_checkpoint(std::string_view where, std::string_view file, const std::string& what);

/// The same for an OutputFile that holds weights, a state or a tokenizer: `action` failed with the system's `error`.
[[noreturn]] RETENTIVE_API void fail_write(const std::string& where, const std::filesystem::path& path,
                                           const std::string& action, int error);

/// The system's text for an errno value.
std::string errno_text(int error);

}  // namespace retentive::models::formats
