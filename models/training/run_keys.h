#pragma once

#include <string>

#include <models/config_json.h>

namespace retentive::models {

/// Refuses a run configuration without data, and keys that it does not have, naming the field that was meant: of that
/// name in another section, of another usual name, or of a like one. Throws ConfigError; values are not looked at.
void check_run_keys(const Json& root, const std::string& where);

}  // namespace retentive::models
