#pragma once

#include <string>

namespace retentive::testing {

/// The root of the source tree. Paths of this machine stand in paths.cpp alone, so that compiled tests can be cached.
std::string source_dir();
/// The built `retentive` program.
std::string program_path();

}  // namespace retentive::testing
